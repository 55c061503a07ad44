/* SPDX-License-Identifier: ISC */
/* Commands for names and rights, and all lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/admin_priv.h"
#include "accounts/import.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "command/command.h"
#include "imap/capability.h"

/* ---- lists ------------------------------------------------------------------------------------
 */

void
admin_row(struct request *q, size_t n, const char *const cells[])
{
	command_row(q->peer->ch, q->id, n, cells);
}

/* ---- settings of an account -------------------------------------------------------------------
 */

enum { QUOTA_TEXT = 24 };

static void
quota_text(uint64_t n, char out[QUOTA_TEXT])
{
	if (n == 0)
		(void)snprintf(out, QUOTA_TEXT, "default");
	else if (n == UINT64_MAX)
		(void)snprintf(out, QUOTA_TEXT, "none");
	else
		(void)snprintf(out, QUOTA_TEXT, "%llu", (unsigned long long)n);
}

/* "default", "none", or a number, with K, M, G or T behind it where units is set. */
static bool
quota_parse(struct str s, bool units, uint64_t *out)
{
	static const char letters[] = "kmgt";
	unsigned shift = 0;

	*out = 0;
	if (str_eq(s, STR("default")))
		return true;
	*out = UINT64_MAX;
	if (str_eq(s, STR("none")))
		return true;
	for (unsigned i = 0; units && i < 4 && s.n > 1; i++)
		if (ascii_tolower((unsigned char)s.p[s.n - 1]) == letters[i])
			shift = 10 * (i + 1);
	s.n -= shift > 0;
	if (!str_u64(s, INT64_MAX >> shift, out) || *out == 0)
		return false;
	*out <<= shift;
	return true;
}

void
admin_user_quota(struct request *q)
{
	struct service *s = q->peer->s;
	const struct account *a;
	uint64_t bytes, messages;
	enum ipc_result r;

	if (!quota_parse(str_of(q->args[1]), true, &bytes) ||
	    !quota_parse(str_of(q->args[2]), false, &messages)) {
		(void)buf_puts(&q->say,
		    "a quota is a number above 0 (of bytes also with K, M, G or T behind it), none, or default");
		admin_answer(q, IPC_INVALID);
		return;
	}
	r = store_quota(s->store, str_of(q->args[0]), bytes, messages, &q->say);
	a = directory_by_name(store_directory(s->store), str_of(q->args[0]));
	if (r == IPC_OK && a != NULL) {
		usage_changed(s, a);
		s->ask(s->ask_arg, SERVICE_LIMIT, 0, a->id);
	}
	admin_answer(q, r);
}

void
admin_user_hide(struct request *q)
{
	bool none = q->nargs == 2 && strcmp(q->args[1], "none") == 0;
	enum ipc_result r = IPC_OK;
	struct buf hidden;

	buf_init(&hidden, HIDDEN_MAX);
	for (int i = 1; i < q->nargs && !none && r == IPC_OK; i++) {
		enum imap_cap cap = imap_cap_find(str_of(q->args[i]));

		if (cap == IMAP_CAP__MAX) {
			(void)buf_printf(&q->say, "%s is no capability of IMAP here", q->args[i]);
			r = IPC_INVALID;
		} else if (buf_printf(&hidden, "%s%.*s", i > 1 ? " " : "",
			       STRF(imap_cap_name(cap))) != 0) {
			(void)buf_puts(&q->say, "these are too many");
			r = IPC_INVALID;
		}
	}
	if (r == IPC_OK)
		r = store_hide(q->peer->s->store, str_of(q->args[0]),
		    str_from(hidden.len ? (const char *)buf_data(&hidden) : "", hidden.len),
		    &q->say);
	buf_free(&hidden);
	admin_answer(q, r);
}

static int
list_user(void *arg, struct str key, struct str value)
{
	char address[ADDRESS_TEXT_SIZE], number[16], bytes[QUOTA_TEXT], messages[QUOTA_TEXT];
	const struct account *known = admin_account_of(arg, key);
	struct record_account a;
	uint32_t id;

	if (!record_id(key, &id) || record_get_account(value, &a) != 0)
		return 0;
	quota_text(known ? known->quota_bytes : 0, bytes);
	quota_text(known ? known->quota_messages : 0, messages);
	(void)snprintf(address, sizeof(address), "%.*s", STRF(a.address));
	(void)snprintf(number, sizeof(number), "%u", id);
	admin_row(arg, 6,
	    (const char *[]){ address, number, a.state == ACCOUNT_ACTIVE ? "active" : "suspended",
		bytes, messages, known && known->hidden ? known->hidden : "" });
	return 0;
}

struct domain_count {
	struct str domain;
	unsigned n;
};

static int
count_user(void *arg, struct str key, struct str value)
{
	struct domain_count *c = arg;
	struct record_account a;

	(void)key;
	if (record_get_account(value, &a) == 0 && a.address.n > c->domain.n &&
	    a.address.p[a.address.n - c->domain.n - 1] == '@' &&
	    str_eq_nocase(
		str_from(a.address.p + a.address.n - c->domain.n, c->domain.n), c->domain))
		c->n++;
	return 0;
}

static int
list_domain(void *arg, struct str key, struct str value)
{
	struct request *q = arg;
	struct domain_count c = { .domain = str_from(key.p + 2, key.n - 2) };
	char domain[ADDRESS_TEXT_SIZE], number[16];

	(void)value;
	(void)snprintf(domain, sizeof(domain), "%.*s", STRF(c.domain));
	(void)store_rows(q->peer->s->store, 'u', count_user, &c);
	(void)snprintf(number, sizeof(number), "%u", c.n);
	admin_row(q, 2, (const char *[]){ domain, number });
	return 0;
}

/* Texts, each ended by NUL, as one with blanks between them; the caller frees it. */
static char *
spaced(struct str texts)
{
	char *out = xmalloc(texts.n + 1);

	memcpy(out, texts.p, texts.n);
	out[texts.n] = 0;
	for (size_t i = 0; i + 1 < texts.n; i++)
		if (out[i] == 0)
			out[i] = ' ';
	return out;
}

const struct account *
admin_account_of(struct request *q, struct str key)
{
	uint32_t id;

	return record_id(key, &id) ? directory_by_id(store_directory(q->peer->s->store), id) : NULL;
}

bool
admin_known_user(struct request *q)
{
	if (q->nargs == 0 ||
	    directory_by_name(store_directory(q->peer->s->store), str_of(q->args[0])))
		return true;
	admin_answer(q, store_no_user(str_of(q->args[0]), &q->say));
	return false;
}

static int
list_alias(void *arg, struct str key, struct str value)
{
	char address[ADDRESS_TEXT_SIZE], *targets = spaced(value);

	(void)snprintf(address, sizeof(address), "%.*s", (int)key.n - 2, key.p + 2);
	admin_row(arg, 2, (const char *[]){ address, targets });
	free(targets);
	return 0;
}

static int
export_row(void *arg, struct str key, struct str value)
{
	struct buf k, v;

	buf_init(&k, IMPORT_LINE_MAX);
	buf_init(&v, IMPORT_LINE_MAX);
	if (import_put_hex(&k, key) == 0 && buf_putc(&k, 0) == 0 &&
	    import_put_hex(&v, value) == 0 && buf_putc(&v, 0) == 0)
		admin_row(arg, 2,
		    (const char *[]){ (const char *)buf_data(&k), (const char *)buf_data(&v) });
	buf_free_secret(&k);
	buf_free_secret(&v);
	return 0;
}

void
admin_list(struct request *q, int letter, int (*fn)(void *, struct str, struct str))
{
	int rc = store_rows(q->peer->s->store, letter, fn, q);

	if (rc != 0)
		(void)buf_puts(&q->say, "the store could not be read");
	admin_answer(q, rc == 0 ? IPC_OK : IPC_TEMP);
}

void
admin_user_list(struct request *q)
{
	admin_list(q, 'u', list_user);
}

void
admin_domain_list(struct request *q)
{
	admin_list(q, 'd', list_domain);
}

void
admin_alias_list(struct request *q)
{
	admin_list(q, 'l', list_alias);
}

void
admin_accounts_export(struct request *q)
{
	admin_list(q, 0, export_row);
}

/* ---- domains and aliases ----------------------------------------------------------------------
 */

void
admin_domain_add(struct request *q)
{
	admin_answer(q, store_domain_add(q->peer->s->store, str_of(q->args[0]), &q->say));
}

void
admin_domain_remove(struct request *q)
{
	admin_answer(q, store_domain_remove(q->peer->s->store, str_of(q->args[0]), &q->say));
}

/* An address and its targets: all arguments but the first. */
static void
with_targets(struct request *q,
    enum ipc_result (*change)(struct store *, struct str, struct str, struct buf *))
{
	struct buf targets;
	int rc = 0;

	buf_init(&targets, COMMAND_ARGS_MAX * ADDRESS_TEXT_SIZE);
	for (int i = 1; i < q->nargs && rc == 0; i++)
		rc = buf_put(&targets, q->args[i], strlen(q->args[i]) + 1);
	if (rc != 0) {
		(void)buf_puts(&q->say, "that is too long");
		admin_answer(q, IPC_INVALID);
	} else {
		admin_answer(q, change(q->peer->s->store, str_of(q->args[0]),
				    str_from(buf_data(&targets), buf_len(&targets)), &q->say));
	}
	buf_free(&targets);
}

void
admin_alias_add(struct request *q)
{
	with_targets(q, store_alias_add);
}

void
admin_alias_remove(struct request *q)
{
	admin_answer(q, store_alias_remove(q->peer->s->store, str_of(q->args[0]), &q->say));
}

/* ---- forwards and rights to send --------------------------------------------------------------
 */

void
admin_forward_add(struct request *q)
{
	with_targets(q, store_forward_add);
}

void
admin_forward_keep(struct request *q)
{
	bool yes = strcmp(q->args[1], "yes") == 0;

	if (!yes && strcmp(q->args[1], "no") != 0) {
		(void)buf_puts(&q->say, "say yes or no");
		admin_answer(q, IPC_INVALID);
		return;
	}
	admin_answer(q, store_forward_keep(q->peer->s->store, str_of(q->args[0]), yes, &q->say));
}

void
admin_forward_remove(struct request *q)
{
	admin_answer(q, store_forward_remove(q->peer->s->store, str_of(q->args[0]),
			    str_of(q->nargs > 1 ? q->args[1] : ""), &q->say));
}

static int
list_forward(void *arg, struct str key, struct str value)
{
	struct request *q = arg;
	struct record_forward f;
	const struct account *a = admin_account_of(q, key);
	char *targets;

	if (a == NULL || record_get_forward(value, &f) != 0)
		return 0;
	targets = spaced(f.targets);
	admin_row(q, 3, (const char *[]){ a->address, f.keep ? "yes" : "no", targets });
	free(targets);
	return 0;
}

void
admin_forward_list(struct request *q)
{
	admin_list(q, 'w', list_forward);
}

void
admin_send_as_add(struct request *q)
{
	admin_answer(q,
	    store_send_as_add(q->peer->s->store, str_of(q->args[0]), str_of(q->args[1]), &q->say));
}

void
admin_send_as_remove(struct request *q)
{
	admin_answer(q, store_send_as_remove(
			    q->peer->s->store, str_of(q->args[0]), str_of(q->args[1]), &q->say));
}

static int
list_send_as(void *arg, struct str key, struct str value)
{
	struct request *q = arg;
	const struct account *a = admin_account_of(q, key);
	char *addresses;

	if (a == NULL)
		return 0;
	addresses = spaced(value);
	admin_row(q, 2, (const char *[]){ a->address, addresses });
	free(addresses);
	return 0;
}

void
admin_send_as_list(struct request *q)
{
	admin_list(q, 'x', list_send_as);
}

/* ---- senders that are allowed -----------------------------------------------------------------
 */

/* Such an entry is the user's own affair: whoever looks into the log sees that it was made here. */
static void
change_allowed(struct request *q, const char *event,
    enum ipc_result (*change)(struct store *, struct str, struct str, uint32_t *, struct buf *))
{
	struct str sender = str_of(q->args[1]);
	uint32_t account;
	enum ipc_result r =
	    change(q->peer->s->store, str_of(q->args[0]), sender, &account, &q->say);

	if (r == IPC_OK)
		log_info(NULL, "event=%s account=%u sender=\"%s\" by=command-line", event, account,
		    LOGS(sender));
	admin_answer(q, r);
}

void
admin_user_allow(struct request *q)
{
	change_allowed(q, "sender-allowed", store_allow);
}

void
admin_user_disallow(struct request *q)
{
	change_allowed(q, "sender-disallowed", store_disallow);
}

static int
list_allowed(void *arg, struct str key, struct str value)
{
	struct request *q = arg;
	const struct account *a = admin_account_of(q, key);
	char text[ADDRESS_TEXT_SIZE];
	struct str sender;
	size_t it = 0;

	if (a == NULL || (q->nargs > 0 && directory_by_name(store_directory(q->peer->s->store),
					      str_of(q->args[0])) != a))
		return 0;
	while (record_target(value, &it, &sender) == 1) {
		(void)snprintf(text, sizeof(text), "%.*s", STRF(sender));
		admin_row(q, 2, (const char *[]){ a->address, text });
	}
	return 0;
}

void
admin_user_allowed(struct request *q)
{
	if (admin_known_user(q))
		admin_list(q, 'z', list_allowed);
}
