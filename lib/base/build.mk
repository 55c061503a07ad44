base_needs :=
base_ldlibs :=
