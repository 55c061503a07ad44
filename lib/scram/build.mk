scram_needs := base
scram_ldlibs := -lsodium
