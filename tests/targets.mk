# Targets that use what was built: tests, lint, demo, measurements. Included by the Makefile.
# Each installs the Debian packages it needs (tests/packages); as root and when some are missing.

JOBS ?= $(shell nproc)
# A make that was started with -j hands its own jobs on.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))
RUN = tests/run $(if $(filter san,$(MODE)),--san)
NEED = @tests/install-packages

include tests/probe.mk
include tests/crash/crash.mk
include image/image.mk

.PHONY: help deps check check-unit check-system check-long lint demo demo-stop bench bench-quick
help:
	@echo "make demo         build, start an instance in build/demo, send and read a first message"
	@echo "make demo-stop    stop it (its data stays)"
	@echo "make check        all tests; make check SAN=1: with the sanitizers"
	@echo "make check-unit   unit tests and fuzz replays only, under a minute"
	@echo "make check-system system tests only; ONLY='system/imap*' picks some"
	@echo "make check-long   the long rounds too (hours)"
	@echo "make fuzz-long    every fuzz target for ten minutes (a part of check-long)"
	@echo "make deb          a Debian package in build/deb"
	@echo "make check-package  installs and uses it in a container (a part of check-long)"
	@echo "make lint         include directions, format, static analysis, man pages, scripts"
	@echo "make image        the disk image of the appliance and its slot file (KERNEL=debian: quick)"
	@echo "make check-image  starts what make image built in QEMU and tests it"
	@echo "make bench        measures beside Postfix and Dovecot, writes docs/performance.md"

deps:
	$(NEED) build run

check:
	$(NEED) build run check
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs unit-build fuzz-build test-build quick-image
	@$(RUN) --only '$(or $(ONLY),*)' --unit $(UNITTESTS) --fuzz $(FUZZERS) --system

check-unit:
	$(NEED) build run
	@$(MAKE) -s --no-print-directory $(PARALLEL) unit-build fuzz-build
	@$(RUN) --only '$(or $(ONLY),*)' --unit $(UNITTESTS) --fuzz $(FUZZERS)

check-system:
	$(NEED) build run check
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs test-build quick-image
	@$(RUN) --only '$(or $(ONLY),*)' --system

check-long:
	$(NEED) build run check long
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs unit-build fuzz-build test-build quick-image
	@$(RUN) --long --only '$(or $(ONLY),*)' --unit $(UNITTESTS) --fuzz $(FUZZERS) --system
	$(if $(ONLY),,@$(MAKE) -s --no-print-directory fuzz-long)
	@tests/chroot-check
	@$(MAKE) -s --no-print-directory check-package

# The Debian package installed and used in a container that systemd has booted.
.PHONY: check-package
check-package:
	$(NEED) build run deb check long
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs
	@tests/package-check "$$(packaging/deb/build $(OUT) build/deb $(or $(DEB_VERSION),$(VERSION)))"

# Every fuzz target for ten minutes: make fuzz-long ONLY='fuzz/spf*' SECONDS=60 is another choice.
.PHONY: fuzz-long fuzz-long-run
fuzz-long:
	$(NEED) build long
	@$(MAKE) -s --no-print-directory $(PARALLEL) MODE=fuzz CC=clang fuzz-build
	@$(MAKE) -s --no-print-directory MODE=fuzz CC=clang fuzz-long-run

fuzz-long-run:
	@tests/fuzz-long --seconds $(or $(SECONDS),600) --only '$(or $(ONLY),*)' $(FUZZERS)

# Programs that only the system tests and measurements use, and the peers' packages.
.PHONY: test-build
test-build: $(OBJ)/bench/login_rate $(OBJ)/bench/imap_rate $(OBJ)/bench/fill_queue $(OBJ)/bench/old_memory $(OBJ)/bench/spf_time $(OBJ)/bench/dkim_tool $(OBJ)/test/spf_test $(if $(filter release,$(MODE)),$(OUT)/probe $(OUT)/faults.so)
	@bench/peers get

$(OBJ)/bench/login_rate $(OBJ)/bench/imap_rate: $(OBJ)/bench/%: bench/%.c bench/loopback.h Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -lssl -lcrypto

$(OBJ)/bench/fill_queue: $(call objs,bench/fill_queue.c $(call srcs,queue)) $(call archives,$(queue_needs))
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(call objs,bench/fill_queue.c $(call srcs,queue)) \
		-Wl,--start-group $(call archives,$(queue_needs)) -Wl,--end-group \
		$(call ldlibs,$(queue_needs))

$(OBJ)/bench/old_memory: $(call objs,bench/old_memory.c $(call srcs,reputation)) $(call archives,$(reputation_needs))
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(call objs,bench/old_memory.c $(call srcs,reputation)) \
		-Wl,--start-group $(call archives,$(reputation_needs)) -Wl,--end-group \
		$(call ldlibs,$(reputation_needs)) $(reputation_ldlibs)

$(OBJ)/bench/spf_time: $(call objs,bench/spf_time.c) $(call archives,spf)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(call archives,spf) -Wl,--end-group \
		$(call ldlibs,spf)

$(OBJ)/bench/dkim_tool: $(OBJ)/bench/dkim_tool.o $(call archives,arc)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ)/bench/dkim_tool.o \
		-Wl,--start-group $(call archives,arc) -Wl,--end-group $(call ldlibs,arc)

lint:
	$(NEED) build lint
	@tests/lint/all

demo:
	$(NEED) build run demo
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs
	@tests/demo.sh start

demo-stop:
	@tests/demo.sh stop

bench bench-quick:
	$(NEED) build run bench
	@$(MAKE) -s --no-print-directory $(PARALLEL) progs test-build
	@bench/bench $(if $(filter bench-quick,$@),--quick)
