journal_needs := base
journal_ldlibs := -lz
