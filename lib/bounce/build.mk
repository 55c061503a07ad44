bounce_needs := smtp mail base
