accounts_needs := daemon imap db srs mail scram settings ipc io base proc command
accounts_ldlibs := -lsodium
