auth_client_needs := tls ipc io base
