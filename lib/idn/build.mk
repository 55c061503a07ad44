idn_needs := base
idn_ldlibs := -lidn2
