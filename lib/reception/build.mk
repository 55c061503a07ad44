reception_needs := idn mail dns base
