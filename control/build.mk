control_needs := command daemon
control_ldlibs :=
