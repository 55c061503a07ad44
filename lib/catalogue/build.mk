catalogue_needs := base
