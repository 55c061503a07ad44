reputation_client_needs := net ipc io base
