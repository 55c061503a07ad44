auth_needs := daemon settings ipc io base proc
auth_ldlibs := -lsasl2 -lsodium
