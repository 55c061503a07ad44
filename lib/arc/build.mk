arc_needs := dkim mail dns idn base
