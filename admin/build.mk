admin_needs := answers command catalogue http policy ca config reception idn mail dns slot settings tls ipc io base
admin_ldlibs := -ljansson -lsodium -lqrencode
