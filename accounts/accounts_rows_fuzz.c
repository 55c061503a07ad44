/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as rows of the store ("KEY=VALUE" ended by a newline; "KEY-" removes), then a look-up
 * of every key's text. Oracle: what resolves names accounts that exist, are active and stand once,
 * and others in domains that are not ours; who may send as an address is active and it is ours.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "accounts/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_ours(const struct directory *d, struct str text)
{
	struct address a;

	return address_parse_mailbox(text, ADDRESS_UTF8, &a) == 1 &&
	       directory_has_domain(d, address_domain(&a));
}

/* What goes to auth of an account's keys: at most as many as the message holds. */
static void
keys(const struct account *a)
{
	struct record_keys k;
	unsigned n = 0;
	size_t it = 0;

	while (record_keys_next(str_from(a->keys, a->keys_n), &it, &k) == 1)
		n++;
	if (it != a->keys_n || n > APP_PASSWORDS_MAX + 1)
		abort();
}

static void
senders(const struct directory *d, struct str text)
{
	for (uint32_t id = 1; id <= 3; id++) {
		const struct account *a = directory_by_id(d, id);

		if (a)
			keys(a);
		if (a && directory_may_send(d, a, text) == IPC_OK &&
		    (a->state != ACCOUNT_ACTIVE ||
			(!is_ours(d, text) && !str_eq_nocase(text, STR("postmaster")))))
			abort();
	}
}

static void
look_up(const struct directory *d, struct str text)
{
	struct resolved r;

	senders(d, text);
	if (directory_allows(d, text, STR("s@far.test")) == IPC_OK && !is_ours(d, text) &&
	    !str_eq_nocase(text, STR("postmaster")))
		abort();
	if (directory_resolve_all(d, STR("0123456789abcdef0123456789abcdef"), 0, text, &r) !=
	    IPC_OK)
		return;
	if (r.n + r.remotes == 0 || r.n + r.remotes > ALIAS_TARGETS_MAX)
		abort();
	for (unsigned i = 0; i < r.remotes; i++) {
		if (is_ours(d, r.remote[i]) || r.remote[i].n >= ADDRESS_TEXT_SIZE)
			abort();
		for (unsigned k = 0; k < i; k++)
			if (str_eq(r.remote[k], r.remote[i]))
				abort();
	}
	for (unsigned i = 0; i < r.n; i++) {
		const struct account *a = directory_by_id(d, r.accounts[i]);

		if (a == NULL || a->state != ACCOUNT_ACTIVE)
			abort();
		for (unsigned k = 0; k < i; k++)
			if (r.accounts[k] == r.accounts[i])
				abort();
	}
}

static void
row(struct directory *d, struct str line)
{
	ptrdiff_t eq = str_chr(line, '=');

	if (eq >= 0)
		(void)directory_apply(d, str_from(line.p, (size_t)eq),
		    str_from(line.p + eq + 1, line.n - (size_t)eq - 1));
	else if (line.n > 1 && line.p[line.n - 1] == '-')
		(void)directory_apply(d, str_from(line.p, line.n - 1), (struct str){ NULL, 0 });
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_from(data, size), rest = all;
	struct directory *d;
	struct directory_fault fault;

	if (sodium_init() < 0)
		abort();
	d = directory_new(STR("x.test"));
	while (rest.n > 0) {
		ptrdiff_t nl = str_chr(rest, '\n');
		size_t n = nl < 0 ? rest.n : (size_t)nl;

		row(d, str_from(rest.p, n));
		if (n > 2)
			look_up(d, str_from(rest.p + 2, n - 2));
		rest.p += n + (nl >= 0);
		rest.n -= n + (nl >= 0);
	}
	look_up(d, STR("postmaster"));
	look_up(d, STR("a+b@x.test"));
	(void)directory_sound(d, &fault);
	directory_free(&d);
	return 0;
}
