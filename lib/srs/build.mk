srs_needs := mail base
srs_ldlibs := -lsodium
