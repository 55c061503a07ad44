http_needs := tls io ipc base
http_ldlibs := -levent_openssl -levent_extra -levent_core -lsodium
