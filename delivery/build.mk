delivery_needs := daemon smtp_client route dns idn smtp mail tls settings ipc io base proc
