policy_needs := catalogue settings base
