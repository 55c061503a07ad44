admin_needs := answers command catalogue policy ca config slot settings ipc io base
admin_ldlibs := -ljansson -lsodium
