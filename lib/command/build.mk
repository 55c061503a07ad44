command_needs := ipc io base
command_ldlibs :=
