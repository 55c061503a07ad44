proxy_needs := net base
