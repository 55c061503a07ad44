dmarc_needs := mail dns idn base
