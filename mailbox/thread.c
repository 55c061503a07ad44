/* SPDX-License-Identifier: ISC */
#include "mailbox/thread.h"

#include "base/hash.h"
#include "mail/header.h"

uint64_t
thread_hash(uint64_t seed, struct str s)
{
	return hash_mix(hash_add(HASH_START ^ seed, s));
}

/* The first <...> in a field's value; n == 0: none. */
static struct str
first_id(struct str value)
{
	ptrdiff_t lt = str_chr(value, '<'), gt;
	struct str rest;

	if (lt < 0)
		return (struct str){ "", 0 };
	rest = str_from(value.p + lt, value.n - (size_t)lt);
	gt = str_chr(rest, '>');
	return gt < 0 ? (struct str){ "", 0 } : str_from(rest.p, (size_t)gt + 1);
}

uint64_t
thread_id(struct str message)
{
	static const struct str names[] = { { "References", 10 }, { "In-Reply-To", 11 },
		{ "Message-ID", 10 } };
	struct str best = { "", 0 };
	struct mail_field f;
	size_t off = 0, rank = 3;
	uint64_t h;

	if (message.n > THREAD_HEADER_MAX)
		message.n = THREAD_HEADER_MAX;
	while (rank > 0 && mail_field_next(message, &off, &f)) {
		for (size_t i = 0; i < rank; i++) {
			struct str id;

			if (!str_eq_nocase(f.name, names[i]))
				continue;
			id = first_id(f.value);
			if (id.n > 0) {
				best = id;
				rank = i;
			}
		}
	}
	if (best.n == 0)
		return 0;
	h = thread_hash(0, best);
	return h == 0 ? 1 : h;
}
