master_needs := proc config settings ipc io base
master_ldlibs :=
