admin_needs := answers command catalogue policy ca config reception idn mail dns slot settings ipc io base
admin_ldlibs := -ljansson -lsodium -lqrencode
