queue_needs := daemon journal command settings dsn smtp mail ipc io base proc
queue_ldlibs :=
