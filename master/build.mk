master_needs := config settings ipc io base
master_ldlibs :=
