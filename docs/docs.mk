# Documentation that is made from tables in the code.
TABLES := $(OBJ)/docs/tables
$(TABLES): $(call objs,docs/tables.c) $(call archives,command catalogue settings)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(call objs,docs/tables.c) \
		-Wl,--start-group $(call archives,command catalogue settings) -Wl,--end-group \
		$(call ldlibs,command catalogue settings)

.PHONY: docs docs-check
docs: $(TABLES)
	@docs/update $(TABLES)
docs-check: $(TABLES)
	@docs/update $(TABLES) --check
