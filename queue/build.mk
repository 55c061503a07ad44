queue_needs := daemon journal command settings ipc io base proc
queue_ldlibs :=
