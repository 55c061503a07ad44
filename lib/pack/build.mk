pack_needs := base
pack_ldlibs := -lzstd
