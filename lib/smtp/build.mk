smtp_needs := mail base
