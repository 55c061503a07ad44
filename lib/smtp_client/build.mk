smtp_client_needs := smtp mail base
