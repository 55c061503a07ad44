tls_needs := ipc io base
tls_ldlibs := -lssl -lcrypto
