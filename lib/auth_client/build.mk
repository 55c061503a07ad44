auth_client_needs := scram tls ipc io base
