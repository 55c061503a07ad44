/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as the client's two messages, with a newline between them. Oracle: what is taken lies
 * inside of what was given; a name has no NUL, and written out again it is the one that was parsed;
 * no proof fits keys it was not made with.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "scram/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static bool
inside(struct str part, struct str all)
{
	return part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

/* The name as the message has it. */
static void
check_name(const struct scram_first *f)
{
	char again[3 * SCRAM_USER_MAX + 3] = "n=";
	size_t n = 2;

	for (const char *p = f->user; *p; p++) {
		if (*p == ',' || *p == '=') {
			memcpy(again + n, *p == ',' ? "=2C" : "=3D", 3);
			n += 3;
		} else {
			again[n++] = *p;
		}
	}
	check(f->bare.n > n && memcmp(f->bare.p, again, n) == 0 && f->bare.p[n] == ',');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t stored[SCRAM_KEY] = { 1, 2, 3 };
	const uint8_t *nl = size > 0 ? memchr(data, '\n', size) : NULL;
	struct str first = str_from(data, nl ? (size_t)(nl - data) : size);
	struct str final = nl ? str_from(nl + 1, size - first.n - 1) : STR("");
	struct scram_first a;
	struct scram_final b;
	bool have_a = scram_first_parse(first, &a) == 0, have_b = scram_final_parse(final, &b) == 0;

	if (have_a) {
		check(inside(a.bare, first) && inside(a.binding, first));
		check((a.flag == 'p') == (a.binding.n > 0));
		check_name(&a);
	}
	if (have_b) {
		check(inside(b.without_proof, final) && b.without_proof.n + 3 < final.n);
		check(final.p[b.without_proof.n] == ',');
	}
	if (have_a && have_b)
		check(!scram_proves(&a, STR("r=x,s=eA==,i=4096"), &b, stored));
	return 0;
}
