net_needs := base
