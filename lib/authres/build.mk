authres_needs := mail idn base
