admin_needs := answers command catalogue http policy ca config reception idn mail dns seal slot settings tls ipc io base
admin_ldlibs := -ljansson -lsodium -lqrencode
