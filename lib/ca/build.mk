ca_needs := base
ca_ldlibs := -lcrypto
