smtp_needs := mail catalogue base
