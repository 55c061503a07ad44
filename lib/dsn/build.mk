dsn_needs := mail smtp base
