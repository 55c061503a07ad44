answers_needs := base
