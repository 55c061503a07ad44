# The sandbox proved from inside running daemons; included by tests/targets.mk.
PROBE_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/probe/*.c))
$(OUT)/probe: $(PROBE_OBJS)
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^
