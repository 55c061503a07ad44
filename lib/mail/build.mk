mail_needs := base

# The tables of character sets come from the iconv of the machine that builds.
CHARSETS := $(OBJ)/gen/mail/charset_tables.h
$(OBJ)/lib/mail/charset.o: $(CHARSETS)
$(CHARSETS): lib/mail/charset_gen.c lib/mail/charset_table.h lib/mail/charset_kind.h lib/mail/build.mk
	@mkdir -p $(@D)
	@echo "  GEN $@"
	@$(CC) -std=c17 $(WARN) -D_GNU_SOURCE -Ilib -O1 -o $(@D)/charset_gen $<
	@$(@D)/charset_gen > $@.new
	@mv $@.new $@
