seal_needs := base
seal_ldlibs := -lsodium
