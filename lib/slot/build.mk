slot_needs := base
slot_ldlibs := -lsodium
