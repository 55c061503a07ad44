policy_needs := smtp catalogue settings base
