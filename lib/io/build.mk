io_needs := base
io_ldlibs := -levent_core
