accounts_needs := daemon db mail settings ipc io base proc command
accounts_ldlibs := -lsodium
