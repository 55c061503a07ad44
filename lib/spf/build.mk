spf_needs := dns idn base
