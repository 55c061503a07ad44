accounts_needs := daemon db mail settings ipc io base proc admin
accounts_ldlibs := -lsodium
