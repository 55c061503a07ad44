submission_needs := smtp_host auth_client smtp mail tls daemon settings proc ipc io base
