/* SPDX-License-Identifier: ISC */
#include "accounts/directory.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/directory_priv.h"
#include "base/map.h"
#include "base/xalloc.h"

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
struct name *
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
	free(a->forward);
	free(a->send_as);
	free(a->allowed);
	free(a->hidden);
	if (a->keys)
		sodium_memzero(a->keys, a->keys_n);
	free(a->keys);
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

struct account *
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
targets_ok(struct str value)
{
	struct str target;
	unsigned count = 0;
	size_t it = 0;
	int rc;

	while ((rc = record_target(value, &it, &target)) == 1)
		count++;
	return rc == 0 && count >= 1 && count <= ALIAS_TARGETS_MAX && value.p[value.n - 1] == 0;
}

static char *
copy_bytes(struct str value)
{
	char *p = xmalloc(value.n);

	memcpy(p, value.p, value.n);
	return p;
}

/* Rows of an account follow its own in the order of keys: there must be one. */
static int
apply_forward(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);
	struct record_forward f;

	if (value.p == NULL && a == NULL)
		return 0;
	if (a == NULL ||
	    (value.p && (record_get_forward(value, &f) != 0 || !targets_ok(f.targets))))
		return -1;
	free(a->forward);
	a->forward = value.p ? copy_bytes(f.targets) : NULL;
	a->forward_n = value.p ? f.targets.n : 0;
	a->forward_keep = value.p && f.keep;
	return 0;
}

static int
apply_send_as(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);

	if (value.p == NULL && a == NULL)
		return 0;
	if (a == NULL || (value.p && !targets_ok(value)))
		return -1;
	free(a->send_as);
	a->send_as = value.p ? copy_bytes(value) : NULL;
	a->send_as_n = value.n;
	return 0;
}

static int
apply_options(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);
	struct record_options o = { 0 };

	if (value.p == NULL && a == NULL)
		return 0;
	if (a == NULL || (value.p && record_get_options(value, &o) != 0))
		return -1;
	free(a->hidden);
	a->hidden = o.hidden.n > 0 ? xstrndup(o.hidden.p, o.hidden.n) : NULL;
	a->quota_bytes = o.quota_bytes;
	a->quota_messages = o.quota_messages;
	return 0;
}

/* A row that goes tells nothing of what the mailbox holds now. */
static int
apply_holds(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);
	struct record_holds holds;

	if (value.p == NULL && a == NULL)
		return 0;
	if (a == NULL || (value.p && record_get_holds(value, &holds) != 0))
		return -1;
	a->noted = value.p != NULL;
	if (a->noted)
		a->holds = holds;
	else
		a->holds.since = 0;
	return 0;
}

void
directory_holds(struct directory *d, uint32_t id, const struct record_holds *holds)
{
	struct account *a = account_of(d, id);

	if (a == NULL)
		return;
	a->holds.bytes = holds->bytes;
	a->holds.messages = holds->messages;
}

static bool
senders_ok(struct str value)
{
	char normal[ADDRESS_TEXT_SIZE];
	struct str sender;
	struct address a;
	size_t it = 0;
	int rc;

	if (!targets_ok(value))
		return false;
	while ((rc = record_target(value, &it, &sender)) == 1)
		if (address_parse_mailbox(sender, ADDRESS_UTF8, &a) != 1 ||
		    address_print(&a, normal, sizeof(normal)) != (int)sender.n ||
		    memcmp(normal, sender.p, sender.n) != 0)
			return false;
	return true;
}

static int
apply_allowed(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);

	if (value.p == NULL && a == NULL)
		return 0;
	if (a == NULL || (value.p && !senders_ok(value)))
		return -1;
	free(a->allowed);
	a->allowed = value.p ? copy_bytes(value) : NULL;
	a->allowed_n = value.n;
	return 0;
}

static bool
keys_ok(struct str value)
{
	struct record_keys k;
	unsigned main_ones = 0, apps = 0;
	size_t it = 0;
	int rc;

	while ((rc = record_keys_next(value, &it, &k)) == 1) {
		main_ones += k.name.n == 0;
		apps += k.name.n > 0;
	}
	return rc == 0 && main_ones <= 1 && apps <= APP_PASSWORDS_MAX && main_ones + apps > 0;
}

static int
apply_keys(struct directory *d, uint32_t id, struct str value)
{
	struct account *a = account_of(d, id);

	if (value.p == NULL && a == NULL)
		return 0;
	if (a == NULL || (value.p && !keys_ok(value)))
		return -1;
	if (a->keys)
		sodium_memzero(a->keys, a->keys_n);
	free(a->keys);
	a->keys = value.p ? copy_bytes(value) : NULL;
	a->keys_n = value.n;
	return 0;
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
	    memcmp(normal, key.p, key.n) != 0 || !targets_ok(value))
		return -1;
	if (n == NULL)
		n = name_add(d, NAME_ALIAS, key);
	free(n->targets);
	n->targets = copy_bytes(value);
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
	case 'w':
		return record_id(key, &id) ? apply_forward(d, id, value) : -1;
	case 'x':
		return record_id(key, &id) ? apply_send_as(d, id, value) : -1;
	case 'y':
		return record_id(key, &id) ? apply_keys(d, id, value) : -1;
	case 'z':
		return record_id(key, &id) ? apply_allowed(d, id, value) : -1;
	case '~':
		return record_id(key, &id) ? apply_options(d, id, value) : -1;
	case '|':
		return record_id(key, &id) ? apply_holds(d, id, value) : -1;
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
