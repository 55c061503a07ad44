admin_needs := command catalogue policy ca config settings ipc io base
admin_ldlibs := -ljansson
