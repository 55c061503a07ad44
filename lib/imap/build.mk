imap_needs := mail base
