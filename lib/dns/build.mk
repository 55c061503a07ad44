dns_needs := base
dns_ldlibs :=
