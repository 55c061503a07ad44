ipc_needs := io base
ipc_ldlibs :=
