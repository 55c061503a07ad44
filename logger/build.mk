logger_needs := command catalogue daemon
logger_ldlibs :=
