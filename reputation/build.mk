reputation_needs := daemon db net reputation_client settings ipc io base proc
reputation_ldlibs := -lsodium
