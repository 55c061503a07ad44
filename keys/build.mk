keys_needs := daemon ipc io base
keys_ldlibs := -lcrypto
