mail_needs := base
