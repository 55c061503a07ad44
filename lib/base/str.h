/* SPDX-License-Identifier: ISC */
/* A borrowed, not NUL-terminated run of bytes, and the ASCII helpers protocols need. */
#ifndef POSTERN_BASE_STR_H
#define POSTERN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
/* For printf's "%.*s"; only for bytes known to be harmless. */
#define STRF(s) (int)(s).n, (s).p

static inline struct str
str_of(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline struct str
str_from(const void *p, size_t n)
{
	return (struct str){ p, n };
}

/* ASCII only: independent of the locale, bytes >= 0x80 are left as they are. */
int ascii_tolower(int c);
int ascii_toupper(int c);
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b);
bool str_starts_nocase(struct str s, struct str prefix);
/* A byte of it is not ASCII. */
bool str_has_8bit(struct str s);
/* First place of byte c, or -1. */
ptrdiff_t str_chr(struct str s, int c);
/* A copy of s at *to, which goes on to behind it: for several in one block that has room for them. */
struct str str_keep(char **to, struct str s);
/* Case-insensitive substring search in ASCII; -1: none. */
ptrdiff_t str_find_nocase(struct str hay, struct str needle);
/* Without spaces and tabs at both ends. */
struct str str_trim(struct str s);
/* A whole decimal number without sign; false on anything else or above max. */
bool str_u64(struct str s, uint64_t max, uint64_t *out);

#endif
