submission_needs := reputation_client net smtp_host auth_client smtp mail tls daemon settings proc ipc io base
