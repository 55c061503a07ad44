textindex_needs := base
textindex_ldlibs := -lz
