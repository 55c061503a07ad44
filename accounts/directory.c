/* SPDX-License-Identifier: ISC */
#include "accounts/directory.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/xalloc.h"

enum name_kind { NAME_DOMAIN = 'd', NAME_ACCOUNT = 'u', NAME_ALIAS = 'l' };

/* A domain, an account's address or an alias, by its key; those of equal hash form a chain. */
struct name {
	struct name *next;
	uint32_t id;   /* of an account */
	char *targets; /* of an alias: the row's value */
	size_t targets_n;
	uint8_t kind;
	uint16_t n;
	char key[];
};

struct directory {
	struct map *names, *accounts;
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	char *home;
	size_t domains;
	const struct account *first; /* lowest number, active if there is one; for postmaster */
};

/* ---- names ------------------------------------------------------------------------------------
 */

static uint64_t
name_hash(const struct directory *d, struct str key)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t h;

	_Static_assert(sizeof(out) == sizeof(h), "siphash gives 64 bits");
	crypto_shorthash(out, (const uint8_t *)key.p, key.n, d->hash_key);
	memcpy(&h, out, sizeof(h));
	return h;
}

static bool
name_is(const struct name *n, bool domain, struct str key)
{
	return (n->kind == NAME_DOMAIN) == domain && n->n == key.n &&
	       memcmp(n->key, key.p, key.n) == 0;
}

/* Domains and addresses cannot be mistaken for each other: only addresses have an '@'. */
static struct name *
name_find(const struct directory *d, bool domain, struct str key)
{
	struct name *n = map_get(d->names, name_hash(d, key));

	while (n && !name_is(n, domain, key))
		n = n->next;
	return n;
}

static struct name *
name_add(struct directory *d, enum name_kind kind, struct str key)
{
	struct name *n = xcalloc(1, sizeof(*n) + key.n + 1);

	n->kind = (uint8_t)kind;
	n->n = (uint16_t)key.n;
	memcpy(n->key, key.p, key.n);
	n->next = map_put(d->names, name_hash(d, key), n);
	return n;
}

static void
name_free(struct name *n)
{
	free(n->targets);
	free(n);
}

static void
name_remove(struct directory *d, struct name *gone)
{
	uint64_t h = name_hash(d, str_from(gone->key, gone->n));
	struct name *head = map_get(d->names, h), **at = &head;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	if (head)
		(void)map_put(d->names, h, head);
	else
		(void)map_del(d->names, h);
	name_free(gone);
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct directory *
directory_new(struct str home)
{
	struct directory *d = xcalloc(1, sizeof(*d));

	d->names = map_new();
	d->accounts = map_new();
	d->home = xstrndup(home.n ? home.p : "", home.n);
	crypto_shorthash_keygen(d->hash_key);
	return d;
}

static void
account_free(struct account *a)
{
	free(a->address);
	if (a->verifier)
		sodium_memzero(a->verifier, strlen(a->verifier));
	free(a->verifier);
	free(a);
}

void
directory_free(struct directory **dp)
{
	struct directory *d = *dp;
	struct account *a;
	struct name *n;
	uint64_t key;
	size_t it;

	if (d == NULL)
		return;
	for (it = 0; (n = map_next(d->names, &it, &key)) != NULL;) {
		while (n) {
			struct name *next = n->next;

			name_free(n);
			n = next;
		}
	}
	for (it = 0; (a = map_next(d->accounts, &it, &key)) != NULL;)
		account_free(a);
	map_free(&d->names);
	map_free(&d->accounts);
	free(d->home);
	free(d);
	*dp = NULL;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static int
apply_domain(struct directory *d, struct str key, struct str value)
{
	struct name *n = name_find(d, true, key);
	char normal[ADDRESS_DOMAIN_MAX];
	uint64_t created;

	if (value.p == NULL) {
		if (n) {
			name_remove(d, n);
			d->domains--;
		}
		return 0;
	}
	if (address_parse_domain(key, 0, normal) != (int)key.n ||
	    memcmp(normal, key.p, key.n) != 0 || !record_get_u64(value, &created))
		return -1;
	if (n == NULL) {
		(void)name_add(d, NAME_DOMAIN, key);
		d->domains++;
	}
	return 0;
}

static void
find_first(struct directory *d)
{
	const struct account *a, *best = NULL;
	uint64_t key;
	size_t it = 0;

	while ((a = map_next(d->accounts, &it, &key)) != NULL)
		if (best == NULL || a->state < best->state ||
		    (a->state == best->state && a->id < best->id))
			best = a;
	d->first = best;
}

static void
account_remove(struct directory *d, struct account *a)
{
	char key[ADDRESS_TEXT_SIZE];
	struct address parsed;
	int n = address_key_text(str_of(a->address), STR(""), &parsed, key);
	struct name *name = n > 0 ? name_find(d, false, str_from(key, (size_t)n)) : NULL;

	if (name)
		name_remove(d, name);
	(void)map_del(d->accounts, (uint64_t)a->id + 1);
	account_free(a);
}

static struct account *
account_of(const struct directory *d, uint32_t id)
{
	return map_get(d->accounts, (uint64_t)id + 1);
}

static int
apply_account(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);
	char key[ADDRESS_TEXT_SIZE];
	struct record_account r;
	struct address parsed;
	struct name *name;
	int n;

	if (value.p == NULL) {
		if (a)
			account_remove(d, a);
		find_first(d);
		return 0;
	}
	if (record_get_account(value, &r) != 0 ||
	    (n = address_key_text(r.address, STR(""), &parsed, key)) < 0)
		return -1;
	name = name_find(d, false, str_from(key, (size_t)n));
	/* an account keeps its address for life */
	if ((name != NULL) != (a != NULL) ||
	    (name && (name->kind != NAME_ACCOUNT || name->id != id)))
		return -1;
	if (a == NULL) {
		a = xcalloc(1, sizeof(*a));
		a->id = id;
		a->address = xstrndup(r.address.p, r.address.n);
		(void)map_put(d->accounts, (uint64_t)id + 1, a);
		name_add(d, NAME_ACCOUNT, str_from(key, (size_t)n))->id = id;
	}
	a->state = r.state;
	a->generation = r.generation;
	a->created = r.created;
	find_first(d);
	return 0;
}

static int
apply_verifier(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);

	if (value.p == NULL && a == NULL)
		return 0;
	if (a == NULL || value.n > VERIFIER_MAX || (value.p && str_chr(value, 0) >= 0))
		return -1;
	if (a->verifier)
		sodium_memzero(a->verifier, strlen(a->verifier));
	free(a->verifier);
	a->verifier = value.p ? xstrndup(value.p, value.n) : NULL;
	return 0;
}

static bool
alias_value_ok(struct str value)
{
	struct str target;
	unsigned count = 0;
	size_t it = 0;
	int rc;

	while ((rc = record_target(value, &it, &target)) == 1)
		count++;
	return rc == 0 && count >= 1 && count <= ALIAS_TARGETS_MAX && value.p[value.n - 1] == 0;
}

static int
apply_alias(struct directory *d, struct str key, struct str value)
{
	struct name *n = name_find(d, false, key);
	char normal[ADDRESS_TEXT_SIZE];
	struct address parsed;

	if (n && n->kind != NAME_ALIAS)
		return -1;
	if (value.p == NULL) {
		if (n)
			name_remove(d, n);
		return 0;
	}
	if (address_key_text(key, STR(""), &parsed, normal) != (int)key.n ||
	    memcmp(normal, key.p, key.n) != 0 || !alias_value_ok(value))
		return -1;
	if (n == NULL)
		n = name_add(d, NAME_ALIAS, key);
	free(n->targets);
	n->targets = xmalloc(value.n);
	memcpy(n->targets, value.p, value.n);
	n->targets_n = value.n;
	return 0;
}

int
directory_apply(struct directory *d, struct str key, struct str value)
{
	struct str text;
	uint32_t id;

	if (key.n < 3 || key.p[1] != '/')
		return -1;
	text = str_from(key.p + 2, key.n - 2);
	switch (key.p[0]) {
	case 'd':
		return apply_domain(d, text, value);
	case 'u':
		return record_id(key, &id) ? apply_account(d, id, value) : -1;
	case 'v':
		return record_id(key, &id) ? apply_verifier(d, id, value) : -1;
	case 'l':
		return apply_alias(d, text, value);
	case 'm':
	case 't':
		return 0;
	}
	return -1;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

bool
directory_has_domain(const struct directory *d, struct str domain)
{
	return name_find(d, true, domain) != NULL;
}

size_t
directory_accounts(const struct directory *d)
{
	return map_count(d->accounts);
}

size_t
directory_domains(const struct directory *d)
{
	return d->domains;
}

const struct account *
directory_by_id(const struct directory *d, uint32_t id)
{
	return account_of(d, id);
}

static struct name *
name_by_text(const struct directory *d, struct str address)
{
	char key[ADDRESS_TEXT_SIZE];
	struct address parsed;
	int n = address_key_text(address, STR(""), &parsed, key);

	return n > 0 ? name_find(d, false, str_from(key, (size_t)n)) : NULL;
}

const struct account *
directory_by_name(const struct directory *d, struct str address)
{
	const struct name *n = name_by_text(d, address);

	return n && n->kind == NAME_ACCOUNT ? account_of(d, n->id) : NULL;
}

bool
directory_taken(const struct directory *d, struct str address)
{
	return name_by_text(d, address) != NULL;
}

/* ---- resolving --------------------------------------------------------------------------------
 */

struct walk {
	const struct directory *d;
	struct resolved *out;
	unsigned steps;
	unsigned suspended;
	bool unknown; /* a target that does not exist */
	const char *over;
};

static void
add_account(struct walk *w, const struct account *a)
{
	if (a->state != ACCOUNT_ACTIVE) {
		w->suspended++;
		return;
	}
	for (unsigned i = 0; i < w->out->n; i++)
		if (w->out->accounts[i] == a->id)
			return;
	if (w->out->n >= ALIAS_TARGETS_MAX)
		w->over = "stands for more than 100 accounts";
	else
		w->out->accounts[w->out->n++] = a->id;
}

/* What an address of ours names: itself, or without its detail. */
static const struct name *
find_address(const struct directory *d, const struct address *a)
{
	char key[ADDRESS_TEXT_SIZE];
	const struct name *name;
	struct str user, detail;
	int n = address_key(a, true, key);

	if (n < 0)
		return NULL;
	name = name_find(d, false, str_from(key, (size_t)n));
	if (name || !address_split_detail(a, &user, &detail))
		return name;
	n = address_key(a, false, key);
	return n > 0 ? name_find(d, false, str_from(key, (size_t)n)) : NULL;
}

/* rfc5321:4.5.1, rfc2142: these exist in every domain. */
static bool
is_role(const struct address *a)
{
	struct str user, detail;

	(void)address_split_detail(a, &user, &detail);
	return str_eq_nocase(user, STR("postmaster")) || str_eq_nocase(user, STR("abuse"));
}

static void walk_address(struct walk *w, struct str text, unsigned depth);

static void
walk_alias(struct walk *w, const struct name *n, unsigned depth)
{
	struct str value = str_from(n->targets, n->targets_n), target;
	size_t it = 0;

	if (depth >= ALIAS_DEPTH_MAX) {
		w->over = "leads in a circle or through more than 10 aliases";
		return;
	}
	while (w->over == NULL && record_target(value, &it, &target) == 1)
		walk_address(w, target, depth + 1);
}

static void
walk_address(struct walk *w, struct str text, unsigned depth)
{
	char key[ADDRESS_TEXT_SIZE];
	const struct name *n;
	struct address a;

	if (++w->steps > ALIAS_STEPS_MAX) {
		w->over = "takes too many steps";
		return;
	}
	if (address_key_text(text, str_of(w->d->home), &a, key) < 0 ||
	    !name_find(w->d, true, address_domain(&a))) {
		w->unknown = true;
		return;
	}
	n = find_address(w->d, &a);
	if (n && n->kind == NAME_ALIAS)
		walk_alias(w, n, depth);
	else if (n)
		add_account(w, account_of(w->d, n->id));
	else if (!is_role(&a))
		w->unknown = true;
	else if (w->d->first)
		add_account(w, w->d->first);
}

enum ipc_result
directory_resolve(const struct directory *d, struct str address, struct resolved *out)
{
	struct walk w = { .d = d, .out = out };
	char key[ADDRESS_TEXT_SIZE];
	struct address a;

	out->n = 0;
	if (address_key_text(address, str_of(d->home), &a, key) < 0)
		return IPC_INVALID;
	if (!name_find(d, true, address_domain(&a)))
		return IPC_NOT_LOCAL;
	walk_address(&w, address, 0);
	if (w.over)
		return IPC_TEMP;
	if (out->n > 0)
		return IPC_OK;
	if (w.suspended)
		return IPC_SUSPENDED;
	return w.unknown ? IPC_NO : IPC_TEMP;
}

const char *
directory_bad_alias(const struct directory *d, const char **why)
{
	struct resolved out;
	const struct name *n;
	uint64_t key;
	size_t it = 0;

	while ((n = map_next(d->names, &it, &key)) != NULL) {
		for (; n; n = n->next) {
			struct walk w = { .d = d, .out = &out };

			if (n->kind != NAME_ALIAS)
				continue;
			out.n = 0;
			walk_alias(&w, n, 0);
			*why = w.over ? w.over : "has a target that does not exist here";
			if (w.over || w.unknown)
				return n->key;
		}
	}
	return NULL;
}
