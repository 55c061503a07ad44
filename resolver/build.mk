resolver_needs := daemon dns ipc io proc settings base
resolver_ldlibs := -lunbound
# libunbound brings all of libevent, and that has to be the only one in the process: found first,
# it satisfies what lib/io needs of libevent_core as well.
$(OUT)/libexec/postern/resolver $(OBJ)/test/resolve_test $(OBJ)/test/anchors_test $(OBJ)/test/client_test: \
	LDFLAGS += -Wl,--push-state,--no-as-needed -levent -Wl,--pop-state
