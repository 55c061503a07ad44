/* SPDX-License-Identifier: ISC */
/* Changes of names: domains, aliases, forwards, rights to send. */
#include <stdio.h>
#include <string.h>

#include "accounts/store_priv.h"

static const struct str gone = { NULL, 0 };

/* ---- rows that name addresses -----------------------------------------------------------------
 */

/* The addresses an alias, a forward or a right names; false for other rows. */
static bool
row_targets(struct str key, struct str value, struct str *targets)
{
	struct record_forward f;

	*targets = value;
	if (key.p[0] == 'l' || key.p[0] == 'x')
		return true;
	if (key.p[0] != 'w' || record_get_forward(value, &f) != 0)
		return false;
	*targets = f.targets;
	return true;
}

/* Whose row: the address of an account or an alias; "" for rows of another kind. */
static struct str
row_owner(const struct store *s, struct str key)
{
	const struct account *a;
	uint32_t id;

	if (key.p[0] == 'l')
		return str_from(key.p + 2, key.n - 2);
	if ((key.p[0] != 'u' && key.p[0] != 'w' && key.p[0] != 'x') || !record_id(key, &id) ||
	    (a = directory_by_id(s->directory, id)) == NULL)
		return STR("");
	return str_of(a->address);
}

static const char *
row_kind(struct str key)
{
	return key.p[0] == 'l' ? "the alias" : key.p[0] == 'w' ? "the forward of" : "the user";
}

/* What would lose its meaning with a domain or an address. */
struct use {
	const struct store *s;
	struct str domain;                /* of a domain */
	struct str address;               /* of an address, by its key */
	const struct account *account;    /* of an account */
	char who[ADDRESS_TEXT_SIZE + 16]; /* what was found, with its kind */
};

static int
found(struct use *use, struct str key)
{
	(void)snprintf(
	    use->who, sizeof(use->who), "%s %.*s", row_kind(key), STRF(row_owner(use->s, key)));
	return 1;
}

/* Which alias or forward does not allow a change ("the alias a@x.test"), and why. */
struct trouble {
	char who[ADDRESS_TEXT_SIZE + 32];
	const char *why;
};

/* The row with this key gets `value` in memory, where nobody looks meanwhile; then what was there
 * comes back. IPC_OK: all aliases and forwards are sound with it. */
static enum ipc_result
try_row(struct store *s, struct str key, struct str value, struct trouble *t)
{
	struct directory_fault fault = { "the list", "of targets", "is too long" };
	struct buf old;
	bool is_new, sound;

	buf_init(&old, DB_VALUE_MAX);
	is_new = db_get(s->db, key, &old) != 0;
	sound = directory_apply(s->directory, key, value) == 0;
	if (sound) {
		sound = directory_sound(s->directory, &fault);
		if (!sound) /* before it is gone again */
			(void)snprintf(t->who, sizeof(t->who), "%s %s", fault.what, fault.who);
		if (directory_apply(s->directory, key, is_new ? gone : store_text_of(&old)) != 0)
			fatal("store lost a row key=%s", LOGS(key));
	} else {
		(void)snprintf(t->who, sizeof(t->who), "%s %s", fault.what, fault.who);
	}
	t->why = fault.why;
	buf_free(&old);
	return sound ? IPC_OK : IPC_INVALID;
}

static enum ipc_result
put_row(struct store *s, struct str key, struct str value, struct buf *say)
{
	struct trouble t;
	enum ipc_result r = try_row(s, key, value, &t);

	if (r == IPC_OK)
		return store_commit(s, &(struct change){ key, value }, 1, true, say);
	(void)buf_printf(say, "with it %s %s", t.who, t.why);
	return r;
}

/* ---- domains ----------------------------------------------------------------------------------
 */

/* The normal form in out (ADDRESS_DOMAIN_MAX bytes). */
static enum ipc_result
domain_parse(struct str text, char *out, struct str *domain, struct buf *say)
{
	int n = address_parse_domain(text, 0, out);

	if (n <= 0) {
		(void)buf_puts(
		    say, "that is not a domain name (other scripts: give the xn-- form)");
		return IPC_INVALID;
	}
	*domain = str_from(out, (size_t)n);
	return IPC_OK;
}

enum ipc_result
store_domain_add(struct store *s, struct str text, struct buf *say)
{
	char normal[ADDRESS_DOMAIN_MAX], key[RECORD_KEY_SIZE];
	enum ipc_result r;
	struct str domain;
	struct buf value;

	if ((r = domain_parse(text, normal, &domain, say)) != IPC_OK)
		return r;
	if (directory_has_domain(s->directory, domain)) {
		(void)buf_puts(say, "that domain is there already");
		return IPC_EXISTS;
	}
	buf_init(&value, 8);
	(void)record_put_u64(&value, store_now());
	/* what aliases and forwards sent elsewhere until now would have to be here */
	r = put_row(s, record_key(key, 'd', domain), store_text_of(&value), say);
	buf_free(&value);
	return r;
}

static bool
in_domain(struct str address, struct str domain)
{
	return address.n > domain.n && address.p[address.n - domain.n - 1] == '@' &&
	       str_eq_nocase(str_from(address.p + address.n - domain.n, domain.n), domain);
}

static int
find_domain_use(void *arg, struct str key, struct str value)
{
	struct use *use = arg;
	struct str targets, target;
	size_t it = 0;

	if (in_domain(row_owner(use->s, key), use->domain))
		return found(use, key);
	if (!row_targets(key, value, &targets))
		return 0;
	while (record_target(targets, &it, &target) == 1)
		if (in_domain(target, use->domain))
			return found(use, key);
	return 0;
}

enum ipc_result
store_domain_remove(struct store *s, struct str text, struct buf *say)
{
	char normal[ADDRESS_DOMAIN_MAX], key[RECORD_KEY_SIZE];
	struct use use = { .s = s, .who = "" };
	enum ipc_result r;

	if ((r = domain_parse(text, normal, &use.domain, say)) != IPC_OK)
		return r;
	if (!directory_has_domain(s->directory, use.domain)) {
		(void)buf_puts(say, "there is no such domain; \"postern domain list\" shows all");
		return IPC_NO;
	}
	(void)store_rows(s, 0, find_domain_use, &use);
	if (use.who[0]) {
		(void)buf_printf(say, "it is still used by %s; remove that first", use.who);
		return IPC_DENIED;
	}
	return store_commit(
	    s, &(struct change){ record_key(key, 'd', use.domain), gone }, 1, false, say);
}

/* ---- addresses --------------------------------------------------------------------------------
 */

enum ipc_result
store_own_address(struct store *s, struct str text, struct address *a, char *out, struct str *key,
    struct buf *say)
{
	int n = address_key_text(text, str_of(s->home), a, out);

	if (n < 0 || a->literal) {
		(void)buf_printf(say, "%s is not an address", LOGS(text));
		return IPC_INVALID;
	}
	if (!directory_has_domain(s->directory, address_domain(a))) {
		(void)buf_printf(say,
		    "%s is not one of the domains here; \"postern domain add\" takes it",
		    LOGS(address_domain(a)));
		return IPC_NOT_LOCAL;
	}
	*key = str_from(out, (size_t)n);
	return IPC_OK;
}

/* An address of ours that exists. */
static enum ipc_result
existing_address(struct store *s, struct str text, char *out, struct str *key, struct buf *say)
{
	struct resolved resolved;
	struct address a;
	enum ipc_result r = store_own_address(s, text, &a, out, key, say);

	if (r != IPC_OK)
		return r;
	r = directory_resolve(s->directory, text, &resolved);
	if (r == IPC_OK || r == IPC_SUSPENDED)
		return IPC_OK;
	(void)buf_printf(
	    say, "%s does not exist here; make the account or alias first", LOGS(text));
	return IPC_NO;
}

/* As it is kept: of ours as they are compared, others as they were given. */
static enum ipc_result
target_text(struct store *s, struct str target, char *out, struct str *text, struct buf *say)
{
	struct address a;
	int n;

	if (address_key_text(target, str_of(s->home), &a, out) > 0 && !a.literal &&
	    !directory_has_domain(s->directory, address_domain(&a)) &&
	    (n = address_print(&a, out, ADDRESS_TEXT_SIZE)) > 0) {
		*text = str_from(out, (size_t)n);
		return IPC_OK;
	}
	return existing_address(s, target, out, text, say);
}

static bool
has_target(struct str targets, struct str wanted)
{
	struct str target;
	size_t it = 0;

	while (record_target(targets, &it, &target) == 1)
		if (str_eq(target, wanted))
			return true;
	return false;
}

/* Appends them, repeated ones once. */
static enum ipc_result
add_targets(struct store *s, struct str targets, struct buf *out, struct buf *say)
{
	char text[ADDRESS_TEXT_SIZE];
	struct str target, one;
	enum ipc_result r;
	size_t it = 0;

	while (record_target(targets, &it, &target) == 1) {
		if ((r = target_text(s, target, text, &one, say)) != IPC_OK)
			return r;
		if (!has_target(store_text_of(out), one) &&
		    (buf_put(out, one.p, one.n) != 0 || buf_putc(out, 0) != 0))
			return store_trouble(s, DBE_LIMIT, say);
	}
	if (buf_len(out) > 0)
		return IPC_OK;
	(void)buf_puts(say, "at least one target is needed");
	return IPC_INVALID;
}

static int
find_address_use(void *arg, struct str key, struct str value)
{
	struct use *use = arg;
	char text[ADDRESS_TEXT_SIZE];
	struct str targets, target;
	struct address a;
	size_t it = 0;
	int n;

	if (!row_targets(key, value, &targets) ||
	    (use->account && key.p[0] != 'l' &&
		str_eq(row_owner(use->s, key), str_of(use->account->address))))
		return 0;
	while (record_target(targets, &it, &target) == 1) {
		if (key.p[0] == 'x' && str_eq(target, use->address))
			return found(use, key);
		if (address_parse_mailbox(target, ADDRESS_UTF8, &a) != 1 ||
		    (n = address_key(&a, false, text)) < 0)
			continue;
		if (key.p[0] == 'x'
			? str_eq(str_from(text, (size_t)n), use->address)
			: use->account && directory_by_name(use->s->directory,
					      str_from(text, (size_t)n)) == use->account)
			return found(use, key);
	}
	return 0;
}

enum ipc_result
store_not_used(struct store *s, struct str address, const struct account *account, struct buf *say)
{
	struct use use = { .s = s, .account = account, .who = "" };
	char text[ADDRESS_TEXT_SIZE];
	struct address a;
	enum ipc_result r;

	if ((r = store_own_address(s, address, &a, text, &use.address, say)) != IPC_OK)
		return r;
	(void)store_rows(s, 0, find_address_use, &use);
	if (use.who[0] == 0)
		return IPC_OK;
	(void)buf_printf(say, "%s %s it; remove that first", use.who,
	    strncmp(use.who, "the user", 8) == 0 ? "may send as" : "points to");
	return IPC_DENIED;
}

/* ---- aliases ----------------------------------------------------------------------------------
 */

enum ipc_result
store_alias_add(struct store *s, struct str address, struct str targets, struct buf *say)
{
	char text[ADDRESS_TEXT_SIZE], row[RECORD_KEY_SIZE];
	struct address a;
	enum ipc_result r;
	struct buf value;
	struct str key;

	buf_init(&value, DB_VALUE_MAX);
	r = store_own_address(s, address, &a, text, &key, say);
	if (r == IPC_OK && directory_by_name(s->directory, key)) {
		(void)buf_puts(say,
		    "that is the address of a user; \"postern forward add\" sends on what it gets");
		r = IPC_EXISTS;
	}
	if (r == IPC_OK)
		r = add_targets(s, targets, &value, say);
	if (r == IPC_OK)
		r = put_row(s, record_key(row, 'l', key), store_text_of(&value), say);
	buf_free(&value);
	return r;
}

/* Not while another alias or a forward would lose what it stands for. */
enum ipc_result
store_alias_remove(struct store *s, struct str address, struct buf *say)
{
	char text[ADDRESS_TEXT_SIZE], row[RECORD_KEY_SIZE];
	struct trouble t;
	struct address a;
	enum ipc_result r;
	struct str key;

	if ((r = store_own_address(s, address, &a, text, &key, say)) != IPC_OK)
		return r;
	if (!directory_taken(s->directory, key) || directory_by_name(s->directory, key)) {
		(void)buf_puts(say, "there is no such alias; \"postern alias list\" shows all");
		return IPC_NO;
	}
	if (try_row(s, record_key(row, 'l', key), gone, &t) != IPC_OK) {
		(void)buf_printf(say, "%s has it as a target; remove that first", t.who);
		return IPC_DENIED;
	}
	if ((r = store_not_used(s, key, NULL, say)) != IPC_OK)
		return r;
	return store_commit(s, &(struct change){ record_key(row, 'l', key), gone }, 1, false, say);
}

/* ---- forwards ---------------------------------------------------------------------------------
 */

static struct str
targets_of(const struct account *a)
{
	return str_from(a->forward ? a->forward : "", a->forward_n);
}

static enum ipc_result
put_forward(
    struct store *s, const struct account *a, bool keep, struct str targets, struct buf *say)
{
	char row[RECORD_KEY_SIZE];
	enum ipc_result r;
	struct buf value;

	buf_init(&value, DB_VALUE_MAX);
	if (record_put_forward(&value, &(struct record_forward){ keep, targets }) != 0)
		r = store_trouble(s, DBE_LIMIT, say);
	else
		r = put_row(s, record_key_id(row, 'w', a->id), store_text_of(&value), say);
	buf_free(&value);
	return r;
}

enum ipc_result
store_forward_add(struct store *s, struct str address, struct str targets, struct buf *say)
{
	const struct account *a;
	struct buf all;
	enum ipc_result r;

	if ((r = store_find_user(s, address, &a, say)) != IPC_OK)
		return r;
	buf_init(&all, DB_VALUE_MAX);
	(void)buf_put(&all, targets_of(a).p, targets_of(a).n);
	r = add_targets(s, targets, &all, say);
	if (r == IPC_OK)
		r = put_forward(s, a, !a->forward || a->forward_keep, store_text_of(&all), say);
	buf_free(&all);
	return r;
}

static enum ipc_result
find_forward(struct store *s, struct str address, const struct account **a, struct buf *say)
{
	enum ipc_result r = store_find_user(s, address, a, say);

	if (r != IPC_OK || (*a)->forward)
		return r;
	(void)buf_puts(say, "that user has no forward");
	return IPC_NO;
}

enum ipc_result
store_forward_keep(struct store *s, struct str address, bool keep, struct buf *say)
{
	const struct account *a;
	enum ipc_result r = find_forward(s, address, &a, say);
	struct buf targets;

	if (r != IPC_OK)
		return r;
	buf_init(&targets, DB_VALUE_MAX); /* the row is taken apart while it is tried */
	(void)buf_put(&targets, targets_of(a).p, targets_of(a).n);
	r = put_forward(s, a, keep, store_text_of(&targets), say);
	buf_free(&targets);
	return r;
}

/* The others; false: it was not among them. */
static bool
without(struct str targets, struct str gone_one, struct buf *out)
{
	struct str target;
	size_t it = 0;
	bool hit = false;

	while (record_target(targets, &it, &target) == 1) {
		if (str_eq_nocase(target, gone_one)) {
			hit = true;
		} else {
			(void)buf_put(out, target.p, target.n);
			(void)buf_putc(out, 0);
		}
	}
	return hit;
}

enum ipc_result
store_forward_remove(struct store *s, struct str address, struct str target, struct buf *say)
{
	char row[RECORD_KEY_SIZE];
	const struct account *a;
	enum ipc_result r = find_forward(s, address, &a, say);
	struct buf left;

	if (r != IPC_OK)
		return r;
	buf_init(&left, DB_VALUE_MAX);
	if (target.n > 0 && !without(targets_of(a), target, &left)) {
		(void)buf_puts(say, "that is not among its targets");
		r = IPC_NO;
	} else if (buf_len(&left) > 0) {
		r = put_forward(s, a, a->forward_keep, store_text_of(&left), say);
	} else {
		r = store_commit(
		    s, &(struct change){ record_key_id(row, 'w', a->id), gone }, 1, false, say);
	}
	buf_free(&left);
	return r;
}

/* ---- rights to send ---------------------------------------------------------------------------
 */

static struct str
rights_of(const struct account *a)
{
	return str_from(a->send_as ? a->send_as : "", a->send_as_n);
}

enum ipc_result
store_send_as_add(struct store *s, struct str account, struct str address, struct buf *say)
{
	char text[ADDRESS_TEXT_SIZE], row[RECORD_KEY_SIZE];
	const struct account *a;
	enum ipc_result r;
	struct buf rights;
	struct str key;

	if ((r = store_find_user(s, account, &a, say)) != IPC_OK ||
	    (r = existing_address(s, address, text, &key, say)) != IPC_OK)
		return r;
	if (has_target(rights_of(a), key)) {
		(void)buf_puts(say, "that user has this right already");
		return IPC_EXISTS;
	}
	buf_init(&rights, DB_VALUE_MAX);
	(void)buf_put(&rights, rights_of(a).p, rights_of(a).n);
	(void)buf_put(&rights, key.p, key.n);
	(void)buf_putc(&rights, 0);
	r = put_row(s, record_key_id(row, 'x', a->id), store_text_of(&rights), say);
	buf_free(&rights);
	return r;
}

enum ipc_result
store_send_as_remove(struct store *s, struct str account, struct str address, struct buf *say)
{
	char row[RECORD_KEY_SIZE];
	const struct account *a;
	enum ipc_result r;
	struct buf left;
	struct str key;

	if ((r = store_find_user(s, account, &a, say)) != IPC_OK)
		return r;
	buf_init(&left, DB_VALUE_MAX);
	if (!without(rights_of(a), address, &left)) {
		(void)buf_puts(say, "that user has no such right");
		r = IPC_NO;
	} else {
		key = record_key_id(row, 'x', a->id);
		r = store_commit(s,
		    &(struct change){ key, buf_len(&left) ? store_text_of(&left) : gone }, 1, false,
		    say);
	}
	buf_free(&left);
	return r;
}

/* ---- settings of an account -------------------------------------------------------------------
 */

static enum ipc_result
put_options(
    struct store *s, const struct account *a, const struct record_options *o, struct buf *say)
{
	char row[RECORD_KEY_SIZE];
	enum ipc_result r;
	struct buf value;

	buf_init(&value, 16 + HIDDEN_MAX);
	if (record_put_options(&value, o) != 0) {
		(void)buf_puts(say, "these are too many");
		r = IPC_INVALID;
	} else {
		r = put_row(s, record_key_id(row, '~', a->id), store_text_of(&value), say);
	}
	buf_free(&value);
	return r;
}

enum ipc_result
store_quota(struct store *s, struct str address, uint64_t bytes, uint64_t messages, struct buf *say)
{
	const struct account *a;
	enum ipc_result r = store_find_user(s, address, &a, say);

	if (r != IPC_OK)
		return r;
	return put_options(s, a,
	    &(struct record_options){ bytes, messages, str_of(a->hidden ? a->hidden : "") }, say);
}

enum ipc_result
store_hide(struct store *s, struct str address, struct str hidden, struct buf *say)
{
	const struct account *a;
	enum ipc_result r = store_find_user(s, address, &a, say);

	if (r != IPC_OK)
		return r;
	return put_options(
	    s, a, &(struct record_options){ a->quota_bytes, a->quota_messages, hidden }, say);
}

/* ---- full mailboxes ---------------------------------------------------------------------------
 */

void
store_holds(struct store *s, uint32_t id, const struct record_holds *holds)
{
	directory_holds(s->directory, id, holds);
}

enum ipc_result
store_note_full(struct store *s, const struct store_note *notes, size_t n, struct buf *say)
{
	char keys[STORE_NOTES_MAX][RECORD_KEY_SIZE];
	struct change c[STORE_NOTES_MAX];
	struct buf values;
	enum ipc_result r;

	if (n > STORE_NOTES_MAX)
		return IPC_INVALID;
	buf_init(&values, STORE_NOTES_MAX * sizeof(struct record_holds));
	(void)buf_reserve(&values, STORE_NOTES_MAX * sizeof(struct record_holds));
	for (size_t i = 0; i < n; i++) {
		const struct account *a = directory_by_id(s->directory, notes[i].id);
		size_t at = buf_len(&values);

		c[i] = (struct change){ record_key_id(keys[i], '|', notes[i].id), gone };
		if (a == NULL || !notes[i].full)
			continue;
		(void)record_put_holds(&values,
		    &(struct record_holds){ a->holds.bytes, a->holds.messages, notes[i].since });
		c[i].value = str_from(buf_data(&values) + at, buf_len(&values) - at);
	}
	/* Also on a full disk: it is what makes room. */
	r = store_commit(s, c, n, false, say);
	buf_free(&values);
	return r;
}
