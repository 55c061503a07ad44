smtp_host_needs := smtp mail tls settings ipc io base
