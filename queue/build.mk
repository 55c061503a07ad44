queue_needs := daemon journal command settings dsn srs smtp mail ipc io base proc
queue_ldlibs := -lsodium
