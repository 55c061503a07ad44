admin_needs := command catalogue ca config settings ipc io base
admin_ldlibs := -ljansson
