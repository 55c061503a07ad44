queue_needs := journal command daemon
queue_ldlibs :=
