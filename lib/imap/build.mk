imap_needs := scram mail base
