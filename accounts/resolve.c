/* SPDX-License-Identifier: ISC */
/* What an address stands for, and who may send as it. */
#include <string.h>

#include "accounts/directory_priv.h"
#include "base/map.h"
#include "srs/srs.h"

enum walk_mode {
	WALK_MAIL,  /* who gets the mail */
	WALK_CHECK, /* the same as if nobody were suspended */
	WALK_NAMES, /* whose address is it: without forwards, suspended accounts too */
};

struct walk {
	const struct directory *d;
	enum walk_mode mode;
	struct resolved *out;
	unsigned steps;
	unsigned suspended;
	bool unknown; /* a target that does not exist */
	const char *over;
};

static void walk_address(struct walk *w, struct str text, unsigned depth);

/* ---- collecting -------------------------------------------------------------------------------
 */

static bool
has_room(struct walk *w)
{
	if (w->out->n + w->out->remotes < ALIAS_TARGETS_MAX)
		return true;
	w->over = "stands for more than 100 mailboxes";
	return false;
}

static void
add_account(struct walk *w, const struct account *a)
{
	for (unsigned i = 0; i < w->out->n; i++)
		if (w->out->accounts[i] == a->id)
			return;
	if (has_room(w))
		w->out->accounts[w->out->n++] = a->id;
}

static void
add_remote(struct walk *w, struct str text)
{
	for (unsigned i = 0; i < w->out->remotes; i++)
		if (str_eq(w->out->remote[i], text))
			return;
	if (has_room(w))
		w->out->remote[w->out->remotes++] = text;
}

/* ---- walking ----------------------------------------------------------------------------------
 */

static void
walk_targets(struct walk *w, struct str targets, unsigned depth)
{
	struct str target;
	size_t it = 0;

	if (depth >= ALIAS_DEPTH_MAX) {
		w->over = "leads in a circle or through more than 10 others";
		return;
	}
	while (w->over == NULL && record_target(targets, &it, &target) == 1)
		walk_address(w, target, depth + 1);
}

static void
walk_account(struct walk *w, const struct account *a, unsigned depth)
{
	if (w->mode == WALK_MAIL && a->state != ACCOUNT_ACTIVE) {
		w->suspended++;
		return;
	}
	if (a->forward == NULL || a->forward_keep || w->mode == WALK_NAMES)
		add_account(w, a);
	if (a->forward && w->mode != WALK_NAMES)
		walk_targets(w, str_from(a->forward, a->forward_n), depth);
}

static void
walk_alias(struct walk *w, const struct name *n, unsigned depth)
{
	struct str targets = str_from(n->targets, n->targets_n);

	if (str_chr(targets, 0) + 1 < (ptrdiff_t)targets.n)
		w->out->list = true;
	walk_targets(w, targets, depth);
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

/* An address in a domain of ours. */
static void
walk_ours(struct walk *w, const struct address *a, unsigned depth)
{
	const struct name *n = find_address(w->d, a);

	if (n && n->kind == NAME_ALIAS)
		walk_alias(w, n, depth);
	else if (n)
		walk_account(w, account_of(w->d, n->id), depth);
	else if (!is_role(a))
		w->unknown = true;
	else if (w->d->first)
		walk_account(w, w->d->first, depth);
}

static void
walk_address(struct walk *w, struct str text, unsigned depth)
{
	char key[ADDRESS_TEXT_SIZE];
	struct address a;

	if (++w->steps > ALIAS_STEPS_MAX)
		w->over = "takes too many steps";
	else if (address_key_text(text, str_of(w->d->home), &a, key) < 0)
		w->unknown = true;
	else if (!name_find(w->d, true, address_domain(&a)))
		add_remote(w, text);
	else
		walk_ours(w, &a, depth);
}

/* The address as it is ours, or IPC_INVALID, IPC_NOT_LOCAL. */
static enum ipc_result
parse_ours(const struct directory *d, struct str text, struct address *a)
{
	char key[ADDRESS_TEXT_SIZE];

	if (address_key_text(text, str_of(d->home), a, key) < 0)
		return IPC_INVALID;
	return name_find(d, true, address_domain(a)) ? IPC_OK : IPC_NOT_LOCAL;
}

static bool
is_direct(const struct directory *d, const struct address *a, const struct resolved *out)
{
	const struct name *n = find_address(d, a);

	return n && n->kind == NAME_ACCOUNT && out->remotes == 0 && out->n == 1 &&
	       out->accounts[0] == n->id;
}

enum ipc_result
directory_resolve(const struct directory *d, struct str address, struct resolved *out)
{
	struct walk w = { .d = d, .mode = WALK_MAIL, .out = out };
	enum ipc_result r;
	struct address a;

	out->n = out->remotes = 0;
	out->list = out->direct = false;
	if ((r = parse_ours(d, address, &a)) != IPC_OK)
		return r;
	walk_ours(&w, &a, 0);
	if (w.over)
		return IPC_TEMP;
	out->direct = is_direct(d, &a, out);
	if (out->n + out->remotes > 0)
		return IPC_OK;
	if (w.suspended)
		return IPC_SUSPENDED;
	return w.unknown ? IPC_NO : IPC_TEMP;
}

/* A rewritten reverse-path's first sender: one of ours by its name, others as they are. */
static enum ipc_result
resolve_sender(const struct directory *d, struct resolved *out)
{
	struct str sender = str_of(out->rewritten);
	enum ipc_result r = directory_resolve(d, sender, out);

	if (r != IPC_NOT_LOCAL)
		return r;
	out->remote[out->remotes++] = sender;
	return IPC_OK;
}

enum ipc_result
directory_resolve_all(const struct directory *d, struct str key, uint64_t now_ms,
    struct str address, struct resolved *out)
{
	enum ipc_result r = directory_resolve(d, address, out);
	int n;

	if (r != IPC_NO)
		return r; /* a name that there is, or none of our domains */
	n = srs_parse((const uint8_t *)key.p, srs_day(now_ms), address, out->rewritten);
	return n > 0 ? resolve_sender(d, out) : IPC_NO;
}

/* ---- senders ----------------------------------------------------------------------------------
 */

/* One who only is among those an alias stands for does not speak for the others. */
static bool
stands_alone(const struct directory *d, const struct account *account, const struct address *a)
{
	struct resolved out = { 0 };
	struct walk w = { .d = d, .mode = WALK_NAMES, .out = &out };

	walk_ours(&w, a, 0);
	return w.over == NULL && !w.unknown && out.remotes == 0 && out.n == 1 &&
	       out.accounts[0] == account->id;
}

static bool
has_right(const struct account *account, const struct address *a, bool detail)
{
	struct str rights = str_from(account->send_as, account->send_as_n), right;
	char key[ADDRESS_TEXT_SIZE];
	int n = address_key(a, detail, key);
	size_t it = 0;

	while (n > 0 && record_target(rights, &it, &right) == 1)
		if (str_eq(right, str_from(key, (size_t)n)))
			return true;
	return false;
}

/* With a detail of its own an address may be somebody else's than without. */
static bool
is_a_name(const struct directory *d, const struct address *a)
{
	char key[ADDRESS_TEXT_SIZE];
	int n = address_key(a, true, key);

	return n > 0 && name_find(d, false, str_from(key, (size_t)n)) != NULL;
}

enum ipc_result
directory_may_send(const struct directory *d, const struct account *account, struct str address)
{
	enum ipc_result r;
	struct address a;

	if ((r = parse_ours(d, address, &a)) != IPC_OK)
		return r == IPC_INVALID ? IPC_INVALID : IPC_DENIED;
	if (account->state != ACCOUNT_ACTIVE)
		return IPC_DENIED;
	if (stands_alone(d, account, &a) || has_right(account, &a, true))
		return IPC_OK;
	return !is_a_name(d, &a) && has_right(account, &a, false) ? IPC_OK : IPC_DENIED;
}

/* ---- senders that are wanted whatever a list says -------------------------------------------------
 */

static bool
account_allows(const struct account *a, struct str sender)
{
	struct str allowed = str_from(a->allowed, a->allowed_n), one;
	size_t it = 0;

	while (record_target(allowed, &it, &one) == 1)
		if (str_eq(one, sender))
			return true;
	return false;
}

enum ipc_result
directory_allows(const struct directory *d, struct str address, struct str sender)
{
	char text[ADDRESS_TEXT_SIZE];
	struct resolved out;
	const struct name *n;
	struct address a, from;
	int len;

	if (address_parse_mailbox(sender, ADDRESS_UTF8, &from) != 1 ||
	    (len = address_print(&from, text, sizeof(text))) <= 0 ||
	    parse_ours(d, address, &a) != IPC_OK)
		return IPC_NO;
	sender = str_from(text, (size_t)len);
	n = find_address(d, &a);
	if (n && n->kind == NAME_ACCOUNT)
		return account_allows(account_of(d, n->id), sender) ? IPC_OK : IPC_NO;
	if (directory_resolve(d, address, &out) != IPC_OK || out.remotes > 0)
		return IPC_NO;
	for (unsigned i = 0; i < out.n; i++)
		if (!account_allows(account_of(d, out.accounts[i]), sender))
			return IPC_NO;
	return IPC_OK;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static bool
targets_sound(const struct directory *d, struct str targets, const char **why)
{
	struct resolved out = { 0 };
	struct walk w = { .d = d, .mode = WALK_CHECK, .out = &out };

	walk_targets(&w, targets, 0);
	*why = w.over ? w.over : "has a target that does not exist here";
	return w.over == NULL && !w.unknown;
}

static bool
aliases_sound(const struct directory *d, struct directory_fault *fault)
{
	const struct name *n;
	uint64_t key;
	size_t it = 0;

	while ((n = map_next(d->names, &it, &key)) != NULL) {
		for (; n; n = n->next) {
			if (n->kind != NAME_ALIAS ||
			    targets_sound(d, str_from(n->targets, n->targets_n), &fault->why))
				continue;
			fault->what = "the alias";
			fault->who = n->key;
			return false;
		}
	}
	return true;
}

bool
directory_sound(const struct directory *d, struct directory_fault *fault)
{
	const struct account *a;
	uint64_t key;
	size_t it = 0;

	if (!aliases_sound(d, fault))
		return false;
	while ((a = map_next(d->accounts, &it, &key)) != NULL) {
		if (a->forward == NULL ||
		    targets_sound(d, str_from(a->forward, a->forward_n), &fault->why))
			continue;
		fault->what = "the forward of";
		fault->who = a->address;
		return false;
	}
	return true;
}
