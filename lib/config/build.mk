config_needs := settings base
config_ldlibs := -lconfuse
