# The library that injects faults into running daemons; included by tests/targets.mk.
$(OUT)/faults.so: tests/crash/faults.c tests/crash/faults.h Makefile
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CPPFLAGS) -std=c17 -O2 $(WARN) -fPIC -shared -o $@ $<
