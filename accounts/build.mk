accounts_needs := daemon db mail scram settings ipc io base proc command
accounts_ldlibs := -lsodium
