route_needs := dns base
