proc_needs := base
proc_ldlibs := -lseccomp
