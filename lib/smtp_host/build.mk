smtp_host_needs := net proxy smtp mail tls settings ipc io base
