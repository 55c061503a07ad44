dkim_needs := mail dns idn base
dkim_ldlibs := -lcrypto -lsodium
