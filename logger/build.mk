logger_needs := daemon
logger_ldlibs :=
