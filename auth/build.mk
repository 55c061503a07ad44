auth_needs := daemon scram settings ipc io base proc
auth_ldlibs := -lsasl2 -lsodium
