/* SPDX-License-Identifier: ISC */
#include "imap/capability.h"

static const struct str names[] = {
#define IMAP_CAP(id, name, where, rfc, what) { name, sizeof(name) - 1 },
#include "imap/capability_table.h"
#undef IMAP_CAP
};

_Static_assert(IMAP_CAP__MAX <= 64, "a set of capabilities is one word");

struct str
imap_cap_name(enum imap_cap cap)
{
	return names[cap];
}

enum imap_cap
imap_cap_find(struct str name)
{
	enum imap_cap c = 0;

	while (c < IMAP_CAP__MAX && !str_eq_nocase(names[c], name))
		c++;
	return c;
}

imap_caps
imap_caps_parse(struct str list)
{
	imap_caps set = 0;

	while (list.n > 0) {
		ptrdiff_t sp = str_chr(list, ' ');
		size_t n = sp < 0 ? list.n : (size_t)sp;
		enum imap_cap c = imap_cap_find(str_from(list.p, n));

		if (c < IMAP_CAP__MAX)
			set |= IMAP_CAP_BIT(c);
		n += sp >= 0;
		list = str_from(list.p + n, list.n - n);
	}
	return set;
}
