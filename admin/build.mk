admin_needs := command ca config settings ipc io base
admin_ldlibs := -ljansson
