settings_needs := base
settings_ldlibs :=
