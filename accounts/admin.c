/* SPDX-License-Identifier: ISC */
/*
 * The administrator's commands. A new password is hashed here, not in auth: it blocks look-ups for
 * some 50 ms, but only when an administrator sets a password, and so the password is in one process
 * less and auth has no way to write a verifier.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "accounts/admin_priv.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "command/command.h"

void
admin_answer(struct request *q, enum ipc_result r)
{
	command_end(q->peer->ch, q->id, r, "%.*s", (int)buf_len(&q->say),
	    buf_len(&q->say) ? (const char *)buf_data(&q->say) : "");
}

/* The request goes to master; without room it is refused, what was committed stays. */
static void
ask_master(struct request *q, enum pending_kind kind, enum service_request what, uint32_t account)
{
	if (service_request(q->peer->s, kind, what, account, q->peer, q->id))
		return;
	(void)buf_puts(&q->say, "too busy to tell master; restart or try again");
	admin_answer(q, IPC_TEMP);
}

/* The account's sessions end, of both kinds. */
static void
kick(struct request *q, uint32_t account)
{
	doors_kick(q->peer->s, account);
	ask_master(q, PENDING_KICK, SERVICE_KICK, account);
}

/* ---- passwords --------------------------------------------------------------------------------
 */

static bool
password_ok(struct request *q)
{
	if (q->secret.n < PASSWORD_MIN || q->secret.n > PASSWORD_MAX) {
		(void)buf_printf(
		    &q->say, "a password has %d to %d bytes", PASSWORD_MIN, PASSWORD_MAX);
		return false;
	}
	for (size_t i = 0; i < q->secret.n; i++) {
		unsigned char c = (unsigned char)q->secret.p[i];

		if (c < 0x20 || c == 0x7f) {
			(void)buf_puts(&q->say, "a password must not have control characters");
			return false;
		}
	}
	if (!address_utf8_valid(q->secret))
		(void)buf_puts(&q->say, "a password must be UTF-8");
	return address_utf8_valid(q->secret);
}

/* What is kept of the password in q->secret. */
struct hashed {
	char verifier[crypto_pwhash_STRBYTES];
	struct scram_keys keys;
	struct store_password password; /* of both */
};

static enum ipc_result
hash_password(struct request *q, struct hashed *h)
{
	const struct settings *st = q->peer->s->settings;
	uint8_t salt[SCRAM_SALT];

	if (!password_ok(q))
		return IPC_INVALID;
	if (crypto_pwhash_str(h->verifier, q->secret.p, q->secret.n,
		settings_u64(st, SET_auth_passes), settings_u64(st, SET_auth_memory)) != 0) {
		(void)buf_puts(&q->say, "there is too little memory to hash the password");
		return IPC_TEMP;
	}
	h->password = (struct store_password){ .verifier = str_of(h->verifier) };
	if (settings_bool(st, SET_auth_scram_main_password)) {
		store_salt(q->peer->s->store, str_of(q->args[0]), salt);
		scram_keys_make(q->secret, salt, &h->keys);
		h->password.keys = &h->keys;
	}
	return IPC_OK;
}

/* ---- users ------------------------------------------------------------------------------------
 */

static void
user_add(struct request *q)
{
	struct store *store = q->peer->s->store;
	struct hashed h = { .verifier = "" };
	struct pending *p;
	enum ipc_result r;
	uint32_t account;

	r = store_user_check(store, str_of(q->args[0]), &q->say);
	if (r == IPC_OK)
		r = hash_password(q, &h);
	if (r == IPC_OK)
		r = store_user_number(store, &account, &q->say);
	if (r != IPC_OK) {
		admin_answer(q, r);
		return;
	}
	p = service_request(q->peer->s, PENDING_USER_ADD, SERVICE_CREATE, account, q->peer, q->id);
	if (p == NULL) {
		(void)buf_puts(&q->say, "too busy; try again");
		admin_answer(q, IPC_TEMP);
		return;
	}
	p->address = xstrdup(q->args[0]);
	p->verifier = xstrdup(h.verifier);
	p->has_keys = h.password.keys != NULL;
	p->keys = h.keys;
	sodium_memzero(&h, sizeof(h));
}

static void
user_passwd(struct request *q)
{
	struct hashed h;
	enum ipc_result r = hash_password(q, &h);
	uint32_t account;

	if (r == IPC_OK)
		r = store_user_password(
		    q->peer->s->store, str_of(q->args[0]), &h.password, &account, &q->say);
	sodium_memzero(&h, sizeof(h));
	if (r != IPC_OK)
		admin_answer(q, r);
	else
		kick(q, account);
}

static void
user_state(struct request *q, enum account_state state)
{
	uint32_t account;
	enum ipc_result r =
	    store_user_state(q->peer->s->store, str_of(q->args[0]), state, &account, &q->say);

	if (r != IPC_OK || state == ACCOUNT_ACTIVE)
		admin_answer(q, r);
	else
		kick(q, account);
}

static void
user_suspend(struct request *q)
{
	user_state(q, ACCOUNT_SUSPENDED);
}

static void
user_resume(struct request *q)
{
	user_state(q, ACCOUNT_ACTIVE);
}

static void
user_remove(struct request *q)
{
	uint32_t account;
	enum ipc_result r =
	    store_user_remove(q->peer->s->store, str_of(q->args[0]), &account, &q->say);

	if (r != IPC_OK) {
		admin_answer(q, r);
		return;
	}
	doors_kick(q->peer->s, account);
	ask_master(q, PENDING_USER_REMOVE, SERVICE_REMOVE, account);
}

/* The directory is there: now the account. */
static enum ipc_result
user_created(struct service *s, struct pending *p, enum ipc_result result, struct buf *say)
{
	uint32_t account = p->account;

	if (result != IPC_OK) {
		(void)buf_puts(say, "the mailbox directory could not be made; see the log");
		return result;
	}
	result = store_user_add(s->store, account, str_of(p->address),
	    &(struct store_password){ str_of(p->verifier), p->has_keys ? &p->keys : NULL }, say);
	if (result == IPC_OK)
		log_info(
		    NULL, "user added account=%u address=%s", account, LOGS(str_of(p->address)));
	else /* the note about it is still there, should this be lost */
		(void)service_request(s, PENDING_TODO, SERVICE_REMOVE, account, NULL, 0);
	return result;
}

void
admin_done(struct service *s, struct pending *p, enum ipc_result result)
{
	struct buf say;

	buf_init(&say, 512);
	if (p->kind == PENDING_USER_ADD) {
		result = user_created(s, p, result, &say);
	} else if (p->kind == PENDING_USER_REMOVE && result == IPC_OK) {
		store_todo_done(s->store, p->account);
		log_info(NULL, "user removed account=%u", p->account);
	} else if (result != IPC_OK) {
		(void)buf_puts(
		    &say, "it is done, but master could not end the open sessions; see the log");
	}
	if (p->peer)
		command_end(p->peer->ch, p->their_id, result, "%.*s", (int)buf_len(&say),
		    buf_len(&say) ? (const char *)buf_data(&say) : "");
	buf_free(&say);
}

/* ---- app passwords ----------------------------------------------------------------------------
 */

enum {
	APP_SIGNS = 20, /* of 32 each: 100 bits, so the verifier need not be slow */
	APP_GROUP = 5,
	APP_TEXT = APP_SIGNS + APP_SIGNS / APP_GROUP, /* with hyphens and NUL */
};

/* Nothing that is mistaken for something else; each sign takes five bits of a byte. */
static void
app_password(char out[APP_TEXT])
{
	static const char signs[32 + 1] = "abcdefghijkmnpqrstuvwxyz23456789";
	uint8_t random[APP_SIGNS];
	size_t n = 0;

	randombytes_buf(random, sizeof(random));
	for (size_t i = 0; i < APP_SIGNS; i++) {
		if (i > 0 && i % APP_GROUP == 0)
			out[n++] = '-';
		out[n++] = signs[random[i] & 31];
	}
	out[n] = 0;
	sodium_memzero(random, sizeof(random));
}

static void
app_password_add(struct request *q)
{
	struct store *store = q->peer->s->store;
	char password[APP_TEXT];
	uint8_t salt[SCRAM_SALT];
	struct scram_keys keys;
	enum ipc_result r;
	uint32_t account;

	app_password(password);
	store_salt(store, str_of(q->args[0]), salt);
	scram_keys_make(str_of(password), salt, &keys);
	r = store_app_add(store, str_of(q->args[0]), str_of(q->args[1]), &keys, &account, &q->say);
	if (r == IPC_OK) {
		log_info(NULL, "app password added account=%u name=\"%s\"", account,
		    LOGS(str_of(q->args[1])));
		admin_row(q, 3, (const char *[]){ q->args[0], q->args[1], password });
	}
	sodium_memzero(password, sizeof(password));
	sodium_memzero(&keys, sizeof(keys));
	admin_answer(q, r);
}

static void
app_password_remove(struct request *q)
{
	uint32_t account;
	enum ipc_result r = store_app_remove(
	    q->peer->s->store, str_of(q->args[0]), str_of(q->args[1]), &account, &q->say);

	if (r != IPC_OK) {
		admin_answer(q, r);
		return;
	}
	log_info(
	    NULL, "app password removed account=%u name=\"%s\"", account, LOGS(str_of(q->args[1])));
	kick(q, account);
}

static int
list_keys(void *arg, struct str key, struct str value)
{
	struct request *q = arg;
	const struct account *a = admin_account_of(q, key);
	char name[APP_NAME_MAX + 1], created[32];
	struct record_keys k;
	struct tm tm;
	size_t it = 0;

	if (a == NULL || (q->nargs > 0 && directory_by_name(store_directory(q->peer->s->store),
					      str_of(q->args[0])) != a))
		return 0;
	while (record_keys_next(value, &it, &k) == 1) {
		time_t t = (time_t)k.created;

		if (k.name.n == 0 || gmtime_r(&t, &tm) == NULL)
			continue;
		(void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
		(void)snprintf(name, sizeof(name), "%.*s", STRF(k.name));
		admin_row(q, 3, (const char *[]){ a->address, name, created });
	}
	return 0;
}

static void
app_password_list(struct request *q)
{
	if (admin_known_user(q))
		admin_list(q, 'y', list_keys);
}

/* ---- mailboxes --------------------------------------------------------------------------------
 */

static void
mailbox_command(struct request *q, uint32_t verb)
{
	struct service *s = q->peer->s;
	const struct account *a = directory_by_name(store_directory(s->store), str_of(q->args[0]));
	struct pending *p;

	if (a == NULL) {
		admin_answer(q, store_no_user(str_of(q->args[0]), &q->say));
		return;
	}
	p = service_request(s, PENDING_COMMAND, SERVICE_COMMAND, a->id, q->peer, q->id);
	if (p == NULL) {
		(void)buf_puts(&q->say, "too busy to tell master; try again");
		admin_answer(q, IPC_TEMP);
		return;
	}
	p->verb = verb;
	p->address = xstrndup(a->address, strlen(a->address));
}

static void
mailbox_check(struct request *q)
{
	mailbox_command(q, CMD_mailbox_check);
}

static void
mailbox_rebuild(struct request *q)
{
	mailbox_command(q, CMD_mailbox_rebuild);
}

/* ---- dispatch ---------------------------------------------------------------------------------
 */

static void (*const verbs[CMD__MAX])(struct request *q) = {
	[CMD_user_add] = user_add,
	[CMD_user_list] = admin_user_list,
	[CMD_user_quota] = admin_user_quota,
	[CMD_user_hide] = admin_user_hide,
	[CMD_user_remove] = user_remove,
	[CMD_user_passwd] = user_passwd,
	[CMD_user_suspend] = user_suspend,
	[CMD_user_resume] = user_resume,
	[CMD_user_allow] = admin_user_allow,
	[CMD_user_allowed] = admin_user_allowed,
	[CMD_user_disallow] = admin_user_disallow,
	[CMD_app_password_add] = app_password_add,
	[CMD_app_password_list] = app_password_list,
	[CMD_app_password_remove] = app_password_remove,
	[CMD_domain_add] = admin_domain_add,
	[CMD_domain_list] = admin_domain_list,
	[CMD_domain_remove] = admin_domain_remove,
	[CMD_alias_add] = admin_alias_add,
	[CMD_alias_list] = admin_alias_list,
	[CMD_alias_remove] = admin_alias_remove,
	[CMD_forward_add] = admin_forward_add,
	[CMD_forward_keep] = admin_forward_keep,
	[CMD_forward_list] = admin_forward_list,
	[CMD_forward_remove] = admin_forward_remove,
	[CMD_send_as_add] = admin_send_as_add,
	[CMD_send_as_list] = admin_send_as_list,
	[CMD_send_as_remove] = admin_send_as_remove,
	[CMD_mailbox_check] = mailbox_check,
	[CMD_mailbox_rebuild] = mailbox_rebuild,
	[CMD_accounts_export] = admin_accounts_export,
};

void
admin_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd)
{
	const char *args[COMMAND_ARGS_MAX];
	struct request q = { .peer = arg, .id = id, .args = args, .secret = m->secret };

	(void)fd;
	q.nargs = command_arguments(m, args);
	if (q.nargs < 0 || m->verb >= CMD__MAX || verbs[m->verb] == NULL) {
		command_end(ch, id, IPC_INVALID, "accounts does not know this command");
		return;
	}
	buf_init(&q.say, 900);
	verbs[m->verb](&q);
	buf_free(&q.say);
	/* it stands in the channel's buffer, which lives on */
	sodium_memzero((void *)(uintptr_t)m->secret.p, m->secret.n);
}
