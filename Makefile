# Postern. One makefile, no recursion: every folder with a build.mk is a module.
#
#   lib/X/build.mk     X_needs := other lib modules     X_ldlibs := -lfoo
#   D/build.mk         the same, for a daemon or the command line (D/main.c holds main)
#
# Beside the code: foo_test.c (cmocka), foo_fuzz.c (LLVMFuzzerTestOneInput), foo_gen.c (runs at build time
# and writes code; rules in the module's build.mk).
# MODE=release (default), debug, san or fuzz (clang's libFuzzer, for fuzz-build only); everything is
# written below build/.

MODE ?= release
ifdef SAN
MODE := san
endif
ifdef DEBUG
MODE := debug
endif

ifeq ($(MODE),fuzz)
CC := clang
endif
ifeq ($(MODE),release)
OUT := build
else
OUT := build/$(MODE)
endif
OBJ := build/obj-$(MODE)

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wpointer-arith -Wvla -Wformat=2 -Wundef
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
CFLAGS_release := -O2 -g $(HARDEN)
CFLAGS_debug := -O0 -g3 -fPIE
CFLAGS_san := -O1 -g -fPIE -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all -DPOSTERN_SANITIZE
CFLAGS_fuzz := -O1 -g -fPIE -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DPOSTERN_SANITIZE \
	-Wno-format-nonliteral
VERSION := $(shell cat VERSION)
CPPFLAGS := -D_GNU_SOURCE -I. -Ilib -I$(OBJ)/gen -DPOSTERN_VERSION='"$(VERSION)"'
CFLAGS := -std=c17 -ffunction-sections -fdata-sections $(WARN) $(CFLAGS_$(MODE)) $(EXTRA_CFLAGS)
LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--as-needed $(EXTRA_LDFLAGS)
ifeq ($(MODE),san)
LDFLAGS += -fsanitize=address,undefined
endif

# What feeds a fuzz target: libFuzzer, or a main function that replays files.
ifeq ($(MODE),fuzz)
FUZZ_LINK := -fsanitize=fuzzer,address,undefined
else
FUZZ_MAIN := tests/fuzz_replay.c
endif

LIBMODS := $(sort $(patsubst lib/%/build.mk,%,$(wildcard lib/*/build.mk)))
PROGMODS := $(sort $(filter-out tests bench,$(patsubst %/build.mk,%,$(wildcard */build.mk))))
DAEMONS := $(filter-out admin,$(PROGMODS))

.PHONY: all
all: progs

include $(wildcard lib/*/build.mk) $(patsubst %,%/build.mk,$(PROGMODS))

# closure of a list of modules over X_needs
closure = $(sort $(1) $(foreach m,$(1),$(if $($(m)_needs),$(call closure,$($(m)_needs)))))
srcs = $(filter-out %_test.c %_fuzz.c %_gen.c %/main.c,$(wildcard $(1)/*.c))
objs = $(patsubst %.c,$(OBJ)/%.o,$(1))
archives = $(foreach m,$(call closure,$(1)),$(if $(call srcs,lib/$(m)),$(OBJ)/lib$(m).a))
ldlibs = $(foreach m,$(call closure,$(1)),$($(m)_ldlibs))

define lib_rules
$(OBJ)/lib$(1).a: $(call objs,$(call srcs,lib/$(1)))
	@rm -f $$@.new
	@ar rcs $$@.new $$^
	@mv $$@.new $$@
endef
$(foreach m,$(LIBMODS),$(eval $(call lib_rules,$(m))))

progpath = $(if $(filter admin,$(1)),$(OUT)/bin/postern,$(OUT)/libexec/postern/$(1))
define prog_rules
$(call progpath,$(1)): $(call objs,$(call srcs,$(1)) $(1)/main.c) $(call archives,$($(1)_needs))
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $(call objs,$(call srcs,$(1)) $(1)/main.c) \
		-Wl,--start-group $(call archives,$($(1)_needs)) -Wl,--end-group \
		$(call ldlibs,$($(1)_needs)) $($(1)_ldlibs)
PROGS += $(call progpath,$(1))
endef
$(foreach p,$(PROGMODS),$(eval $(call prog_rules,$(p))))

# Tests and fuzz targets: $(1) source, $(2) module, $(3) "lib/" or ""
ownobjs = $(if $(3),,$(call objs,$(call srcs,$(2))))
define test_rules
$(OBJ)/test/$(basename $(notdir $(1))): $(call objs,$(1)) $(call ownobjs,$(1),$(2),$(3)) \
		$(call archives,$(if $(3),$(2),$($(2)_needs)))
	@mkdir -p $$(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $(call objs,$(1)) $(call ownobjs,$(1),$(2),$(3)) \
		-Wl,--start-group $(call archives,$(if $(3),$(2),$($(2)_needs))) -Wl,--end-group \
		$(call ldlibs,$(if $(3),$(2),$($(2)_needs))) $($(2)_ldlibs) -lcmocka
UNITTESTS += $(OBJ)/test/$(basename $(notdir $(1)))
endef
define fuzz_rules
$(OBJ)/fuzz/$(basename $(notdir $(1))): $(call objs,$(1) $(FUZZ_MAIN)) \
		$(call ownobjs,$(1),$(2),$(3)) $(call archives,$(if $(3),$(2),$($(2)_needs)))
	@mkdir -p $$(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) $(FUZZ_LINK) -o $$@ $(call objs,$(1) $(FUZZ_MAIN)) \
		$(call ownobjs,$(1),$(2),$(3)) -Wl,--start-group \
		$(call archives,$(if $(3),$(2),$($(2)_needs))) -Wl,--end-group \
		$(call ldlibs,$(if $(3),$(2),$($(2)_needs))) $($(2)_ldlibs)
FUZZERS += $(OBJ)/fuzz/$(basename $(notdir $(1)))
endef
$(foreach m,$(LIBMODS),$(foreach t,$(wildcard lib/$(m)/*_test.c),$(eval $(call test_rules,$(t),$(m),lib/))))
$(foreach m,$(PROGMODS),$(foreach t,$(wildcard $(m)/*_test.c),$(eval $(call test_rules,$(t),$(m),))))
$(foreach m,$(LIBMODS),$(foreach t,$(wildcard lib/$(m)/*_fuzz.c),$(eval $(call fuzz_rules,$(t),$(m),lib/))))
$(foreach m,$(PROGMODS),$(foreach t,$(wildcard $(m)/*_fuzz.c),$(eval $(call fuzz_rules,$(t),$(m),))))

$(OBJ)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

.PHONY: progs unit-build fuzz-build
progs: $(PROGS)
unit-build: $(UNITTESTS)
fuzz-build: $(FUZZERS)

include docs/docs.mk
-include tests/targets.mk
include packaging/packaging.mk

.PHONY: clean
clean:
	rm -rf build
