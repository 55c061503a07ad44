daemon_needs := ipc proc settings io base
daemon_ldlibs :=
