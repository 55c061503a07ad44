db_needs := base
db_ldlibs := -ldb-5.3
