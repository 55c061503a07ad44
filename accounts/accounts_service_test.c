/* SPDX-License-Identifier: ISC */
/* The service with real channels and codecs; the peers and master are played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "accounts/service.h"
#include "base/log.h"
#include "command/command.h"
#include "srs/srs.h"

#define A "a@example.test"

enum { ASKED_MAX = 32 };

static char dir[64];
static struct io_loop *loop;
static struct settings *settings;
static struct store *store;
static struct service *service;
static struct ipc_channel *lookup, *auth, *admin, *queue;

/* What master was asked, and what it answers. */
static struct {
	enum service_request what;
	uint64_t id;
	uint32_t account;
} asked[ASKED_MAX];
static unsigned asked_n;
static bool master_answers;
static enum ipc_result master_result;

/* What came back to the peers. */
static struct {
	uint64_t id;
	enum ipc_type type;
	uint8_t result;
	uint32_t account;
	uint64_t generation;
	unsigned n;
	int fd;
	bool closed;
	bool elsewhere, list, full, for_good;
	uint8_t salt[SCRAM_SALT];
	struct scram_keys keys[32];
	size_t nkeys;
	char text[4096], rows[8192];
	char hidden[HIDDEN_MAX + 1];
} got;

/* What queue was told without having asked. */
static struct {
	char key[64];
	size_t key_n;
	uint32_t account, kicked;
	char login[300];
	int fd;
	unsigned changed;
} told;

/* ---- master -----------------------------------------------------------------------------------
 */

static void
master_answer(unsigned i)
{
	if (asked[i].what == SERVICE_LIMIT)
		return; /* no answer */
	if (asked[i].what != SERVICE_OPEN && asked[i].what != SERVICE_COMMAND)
		service_done(service, asked[i].id, master_result);
	else if (master_result == IPC_OK)
		service_opened(service, asked[i].id, IPC_OK, open("/dev/null", O_RDONLY));
	else
		service_opened(service, asked[i].id, master_result, -1);
}

static void
ask(void *arg, enum service_request what, uint64_t id, uint32_t account)
{
	(void)arg;
	assert_in_range(asked_n, 0, ASKED_MAX - 1);
	asked[asked_n].what = what;
	asked[asked_n].id = id;
	asked[asked_n].account = account;
	asked_n++;
}

/* ---- peers ------------------------------------------------------------------------------------
 */

static void
note(enum ipc_type type, uint64_t id, uint8_t result)
{
	got.type = type;
	got.id = id;
	got.result = result;
	io_loop_stop(loop);
}

static void
on_address_is(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_is *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	got.n = (unsigned)m->accounts.n / 4;
	got.elsewhere = m->elsewhere != 0;
	got.for_good = m->for_good != 0;
	if (m->accounts.n)
		got.account = (uint8_t)m->accounts.p[3];
	note(IPC_address_is, id, m->result);
}

static void
on_sender_allowed_is(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_allowed_is *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	note(IPC_sender_allowed_is, id, m->result);
}

static void
on_verifier_is(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_verifier_is *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	got.account = m->account;
	got.generation = m->generation;
	assert_int_equal(m->salt.n, SCRAM_SALT);
	memcpy(got.salt, m->salt.p, SCRAM_SALT);
	assert_int_equal(m->keys.n % sizeof(got.keys[0]), 0);
	got.nkeys = m->keys.n / sizeof(got.keys[0]);
	memcpy(got.keys, m->keys.p, m->keys.n);
	(void)snprintf(got.text, sizeof(got.text), "%.*s", STRF(m->verifier));
	note(IPC_verifier_is, id, m->result);
}

static void
on_login_opened(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_login_opened *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)snprintf(got.hidden, sizeof(got.hidden), "%.*s", STRF(m->hidden_capabilities));
	got.fd = fd;
	note(IPC_login_opened, id, IPC_OK);
}

static void
on_login_refused(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_login_refused *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	note(IPC_login_refused, id, m->result);
}

static unsigned changed; /* how often caches of addresses were told to forget */
static bool stop_at_change;

static void
on_addresses_changed(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_addresses_changed *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	changed++;
	if (stop_at_change)
		io_loop_stop(loop);
}

static void
on_address_targets(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_targets *m, int fd)
{
	struct str rest = m->remote, cell;
	size_t n = 0;

	(void)arg;
	(void)ch;
	(void)fd;
	got.n = (unsigned)m->accounts.n / 4;
	got.account = got.n ? (uint8_t)m->accounts.p[3] : 0;
	got.list = m->list != 0;
	got.full = m->full != 0;
	got.text[0] = 0;
	while (command_cell_next(&rest, &cell))
		n += (size_t)snprintf(got.text + n, sizeof(got.text) - n, "%.*s|", STRF(cell));
	assert_int_equal(rest.n, 0);
	note(IPC_address_targets, id, m->result);
}

static void
on_sender_is(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_is *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	note(IPC_sender_is, id, m->result);
}

static void
on_forward_key(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_forward_key *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	told.key_n = m->key.n;
	memcpy(told.key, m->key.p, m->key.n);
}

static void
on_door_bind(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_bind *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	told.account = m->account;
	told.fd = fd;
	(void)snprintf(told.login, sizeof(told.login), "%.*s", STRF(m->login));
}

static void
on_door_kick(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_kick *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	told.kicked = m->account;
}

static void
on_targets_changed(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_targets_changed *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	told.changed++;
}

static void
on_admin_row(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_row *m, int fd)
{
	struct str rest = m->cells, cell;
	size_t n = strlen(got.rows);

	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	while (command_cell_next(&rest, &cell))
		n += (size_t)snprintf(got.rows + n, sizeof(got.rows) - n, "%.*s|", STRF(cell));
	(void)snprintf(got.rows + n, sizeof(got.rows) - n, "\n");
}

static void
on_admin_end(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_end *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	(void)snprintf(got.text, sizeof(got.text), "%.*s", STRF(m->message));
	note(IPC_admin_end, id, m->result);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct ipc_channel **mine = arg;

	(void)ch;
	got.closed = true;
	ipc_channel_free(mine);
	io_loop_stop(loop);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(address_is, on_address_is),
	IPC_ON(addresses_changed, on_addresses_changed),
	IPC_ON(sender_allowed_is, on_sender_allowed_is),
	IPC_ON(verifier_is, on_verifier_is),
	IPC_ON(login_opened, on_login_opened),
	IPC_ON(login_refused, on_login_refused),
	IPC_ON(address_targets, on_address_targets),
	IPC_ON(sender_is, on_sender_is),
	IPC_ON(forward_key, on_forward_key),
	IPC_ON(door_bind, on_door_bind),
	IPC_ON(door_kick, on_door_kick),
	IPC_ON(targets_changed, on_targets_changed),
	IPC_ON(admin_row, on_admin_row),
	IPC_ON(admin_end, on_admin_end),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

static void
connect_peer(enum ipc_channel_kind kind, struct ipc_channel **ch)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	service_peer(service, kind, sv[0]);
	*ch = ipc_channel_new(loop, sv[1], kind, IPC_CLIENT, &ops, ch);
}

static void
timeout(void *arg)
{
	(void)arg;
	got.type = IPC_none;
	io_loop_stop(loop);
}

/* Runs until a reply came (or, with nothing to come, 200 ms passed). */
static void
wait_reply(void)
{
	struct io_timer *t = io_timer_new(loop, timeout, NULL);

	io_timer_set(t, master_answers ? 5000 : 200);
	io_loop_run(loop);
	io_timer_free(&t);
}

static void
after_turn(void *arg)
{
	static unsigned next;

	(void)arg;
	if (asked_n < next)
		next = 0;
	while (master_answers && next < asked_n)
		master_answer(next++);
	ipc_flush_all();
}

static int
setup(void **state)
{
	const char *why;
	struct buf say;

	(void)state;
	buf_init(&say, 512);
	strcpy(dir, "/tmp/postern-service-XXXXXX");
	if (sodium_init() < 0 || mkdtemp(dir) == NULL || chdir(dir) != 0)
		return -1;
	settings = settings_new();
	if (settings_set(settings, SET_auth_memory, "8M", &why) != 0 ||
	    settings_set(settings, SET_auth_passes, "1", &why) != 0 ||
	    store_open(STR("example.test"), 1000, &store, &say) != 0)
		return -1;
	buf_free(&say);
	memset(&got, 0, sizeof(got));
	memset(&told, 0, sizeof(told));
	told.fd = -1;
	asked_n = 0;
	master_answers = true;
	master_result = IPC_OK;
	loop = io_loop_new();
	io_loop_after_turn(loop, after_turn, NULL);
	service = service_new(loop, store, settings, ask, NULL);
	connect_peer(IPC_CH_accounts_lookup, &lookup);
	connect_peer(IPC_CH_accounts_auth, &auth);
	connect_peer(IPC_CH_admin, &admin);
	return 0;
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	service_free(&service);
	ipc_channel_free(&lookup);
	ipc_channel_free(&auth);
	ipc_channel_free(&admin);
	ipc_channel_free(&queue);
	io_loop_free(&loop);
	store_close(&store);
	settings_free(&settings);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return chdir("/") != 0 || system(cmd) != 0 ? -1 : 0;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static const char *third; /* one argument more */

static enum ipc_result
command(enum command_id verb, const char *a, const char *b, const char *secret)
{
	static uint64_t id;
	struct buf args;

	buf_init(&args, 4096);
	if (a)
		assert_int_equal(buf_put(&args, a, strlen(a) + 1), 0);
	if (b)
		assert_int_equal(buf_put(&args, b, strlen(b) + 1), 0);
	if (third)
		assert_int_equal(buf_put(&args, third, strlen(third) + 1), 0);
	got.rows[0] = got.text[0] = 0;
	ipc_send_admin_request(admin, ++id,
	    &(struct ipc_admin_request){ .verb = verb,
		.args =
		    str_from(buf_len(&args) ? (const char *)buf_data(&args) : "", buf_len(&args)),
		.secret = str_of(secret ? secret : "") });
	buf_free(&args);
	wait_reply();
	if (got.type != IPC_admin_end)
		return IPC_RESULT__MAX;
	assert_int_equal(got.id, id);
	return got.result;
}

static enum ipc_result
look_up(const char *address)
{
	ipc_send_address_lookup(
	    lookup, 77, &(struct ipc_address_lookup){ .address = str_of(address) });
	got.n = 0;
	wait_reply();
	assert_int_equal(got.type, IPC_address_is);
	assert_int_equal(got.id, 77);
	return got.result;
}

static enum ipc_result
allowed(const char *recipient, const char *from)
{
	ipc_send_sender_allowed(lookup, 78,
	    &(struct ipc_sender_allowed){ .recipient = str_of(recipient), .sender = str_of(from) });
	wait_reply();
	assert_int_equal(got.type, IPC_sender_allowed_is);
	assert_int_equal(got.id, 78);
	return got.result;
}

static enum ipc_result
verifier(const char *login)
{
	ipc_send_verifier_get(auth, 88, &(struct ipc_verifier_get){ .login = str_of(login) });
	wait_reply();
	assert_int_equal(got.type, IPC_verifier_is);
	assert_int_equal(got.id, 88);
	return got.result;
}

static void
login_open(uint32_t account, uint64_t generation)
{
	got.fd = -1;
	ipc_send_login_open(
	    auth, 99, &(struct ipc_login_open){ .account = account, .generation = generation });
	wait_reply();
}

static enum ipc_result
quota(const char *bytes, const char *messages)
{
	enum ipc_result r;

	third = messages;
	r = command(CMD_user_quota, "alice@example.test", bytes, NULL);
	third = NULL;
	return r;
}

static enum ipc_result
hide(const char *one, const char *other)
{
	enum ipc_result r;

	third = other;
	r = command(CMD_user_hide, "alice@example.test", one, NULL);
	third = NULL;
	return r;
}

static unsigned
times_asked(enum service_request what)
{
	unsigned n = 0;

	for (unsigned i = 0; i < asked_n; i++)
		n += asked[i].what == what;
	return n;
}

/* Of account 1. */
static void
check_limits(uint64_t bytes, uint64_t messages)
{
	const struct account *a = directory_by_id(store_directory(store), 1);

	assert_true(a->quota_bytes == bytes && a->quota_messages == messages);
}

/* Hidden capabilities go along with each login of account 1, its limits to its mailbox. */
static void
check_options(uint64_t generation)
{
	login_open(1, generation);
	close(got.fd);
	assert_true(got.hidden[0] == 0);
	assert_int_equal(quota("3G", "none"), IPC_OK);
	assert_int_equal(hide("condstore", "UTF8=accept"), IPC_OK);
	login_open(1, generation);
	close(got.fd);
	check_limits((uint64_t)3 << 30, UINT64_MAX);
	assert_string_equal(got.hidden, "CONDSTORE UTF8=ACCEPT");
	assert_int_equal(command(CMD_user_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(
	    got.rows, "alice@example.test|1|active|3221225472|none|CONDSTORE UTF8=ACCEPT|\n");
	/* what is refused changes nothing */
	assert_int_equal(quota("0", "none"), IPC_INVALID);
	assert_int_equal(quota("1G", "1k"), IPC_INVALID);
	assert_int_equal(quota("-1", "1"), IPC_INVALID);
	assert_int_equal(quota("G", "1"), IPC_INVALID);
	assert_int_equal(quota("9000000T", "1"), IPC_INVALID);
	assert_int_equal(hide("SORT", "FOO"), IPC_INVALID);
	assert_string_equal(got.text, "FOO is no capability of IMAP here");
	assert_int_equal(command(CMD_user_hide, "nobody@example.test", "none", NULL), IPC_NO);
	/* one does not touch the other */
	assert_int_equal(quota("default", "7"), IPC_OK);
	login_open(1, generation);
	close(got.fd);
	check_limits(0, 7);
	assert_string_equal(got.hidden, "CONDSTORE UTF8=ACCEPT");
	assert_int_equal(hide("none", NULL), IPC_OK);
	assert_int_equal(quota("default", "default"), IPC_OK);
	login_open(1, generation);
	close(got.fd);
	check_limits(0, 0);
	assert_true(got.hidden[0] == 0);
}

/* Runs until queue and smtpd were told that answers may be wrong. */
static void
await_change(void)
{
	unsigned before = changed;
	struct io_timer *t = io_timer_new(loop, timeout, NULL);

	io_timer_set(t, 30000);
	stop_at_change = true;
	io_loop_run(loop);
	stop_at_change = false;
	io_timer_free(&t);
	assert_int_not_equal(changed, before);
}

static bool
full_for_queue(const char *address)
{
	ipc_send_address_expand(
	    queue, 7, &(struct ipc_address_expand){ .address = str_of(address) });
	wait_reply();
	assert_int_equal(got.type, IPC_address_targets);
	assert_int_equal(got.result, IPC_OK);
	assert_int_equal(got.n, 1);
	return got.full;
}

/* As a new process finds it. */
static void
restart(void)
{
	struct buf say;

	buf_init(&say, 512);
	service_free(&service);
	ipc_channel_free(&lookup);
	ipc_channel_free(&admin);
	ipc_channel_free(&auth);
	ipc_channel_free(&queue);
	store_close(&store);
	assert_int_equal(store_open(STR("example.test"), 1000, &store, &say), 0);
	buf_free(&say);
	asked_n = 0;
	service = service_new(loop, store, settings, ask, NULL);
	connect_peer(IPC_CH_accounts_lookup, &lookup);
	connect_peer(IPC_CH_accounts_queue, &queue);
	connect_peer(IPC_CH_admin, &admin);
}

/* Mail for a full mailbox is refused where it is addressed to it alone. */
static void
test_full(void **state)
{
	const char *why;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(
	    command(CMD_user_add, "alice@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(command(CMD_user_add, "bob@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(
	    command(CMD_alias_add, "info@example.test", "alice@example.test", NULL), IPC_OK);
	assert_int_equal(quota("100", "none"), IPC_OK);
	assert_int_equal(times_asked(SERVICE_LIMIT), 1);
	service_holds(service, 1, 99, 5);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	/* Each report is answered with the limits. */
	assert_int_equal(times_asked(SERVICE_LIMIT), 2);
	service_holds(service, 1, 100, 6);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(got.n, 0);
	assert_int_equal(look_up("Alice+detail@example.test"), IPC_FULL);
	assert_int_equal(look_up("info@example.test"), IPC_OK);
	assert_int_equal(look_up("postmaster@example.test"), IPC_OK);
	assert_int_equal(look_up("bob@example.test"), IPC_OK);
	assert_true(full_for_queue("alice@example.test"));
	assert_false(full_for_queue("info@example.test"));
	/* It is noted, and whoever is noted is opened once. */
	restart();
	assert_int_equal(times_asked(SERVICE_COMMAND), 1);
	assert_int_equal(asked[0].account, 1);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(service_pending(service), 0);
	/* Another limit counts at once. */
	assert_int_equal(quota("101", "none"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(quota("none", "6"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 1, 100, 5);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	restart();
	assert_int_equal(times_asked(SERVICE_COMMAND), 0);
	/* What was to be noted in a moment is noted by an orderly end. */
	service_holds(service, 1, 100, 6);
	restart();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 1, 100, 5);
	restart();
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(times_asked(SERVICE_COMMAND), 0);
	/* The limit for all. */
	assert_int_equal(quota("default", "default"), IPC_OK);
	service_holds(service, 1, 5000, 1);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(settings_set(settings, SET_mailbox_quota_bytes, "5000", &why), 0);
	service_settings(service, settings);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(quota("none", "default"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	/* With a forward that keeps a copy it is not the only place. */
	assert_int_equal(quota("10", "none"), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	assert_int_equal(
	    command(CMD_forward_add, "alice@example.test", "bob@example.test", NULL), IPC_OK);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_int_equal(
	    command(CMD_forward_remove, "alice@example.test", "bob@example.test", NULL), IPC_OK);
	/* There and back before it is noted: who asked in between hears of it. */
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 1, 0, 0);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	service_holds(service, 1, 10, 1);
	await_change();
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	service_holds(service, 77, 1, 1); /* nobody */
	assert_int_equal(command(CMD_user_remove, "alice@example.test", NULL, NULL), IPC_DENIED);
	assert_int_equal(command(CMD_alias_remove, "info@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_remove, "alice@example.test", NULL, NULL), IPC_OK);
	restart();
	assert_int_equal(times_asked(SERVICE_COMMAND), 0);
}

/* Noted so many seconds ago that it is full. */
static void
note_full(uint64_t seconds)
{
	struct buf say;

	buf_init(&say, 1000);
	assert_int_equal(
	    store_note_full(
		store, &(struct store_note){ 1, true, (uint64_t)time(NULL) - seconds }, 1, &say),
	    IPC_OK);
	buf_free(&say);
}

static bool
refused_for_good(const char *grace)
{
	const char *why;

	assert_int_equal(settings_set(settings, SET_mailbox_quota_grace, grace, &why), 0);
	service_settings(service, settings);
	assert_int_equal(look_up("alice@example.test"), IPC_FULL);
	return got.for_good;
}

/* Mail is put off at first, in the end it is refused for good. */
static void
test_full_for_long(void **state)
{
	const struct account *a;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(
	    command(CMD_user_add, "alice@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(quota("100", "none"), IPC_OK);
	service_holds(service, 1, 100, 6);
	await_change();
	a = directory_by_id(store_directory(store), 1);
	assert_true(a->noted && a->holds.since + 60 > (uint64_t)time(NULL));
	assert_false(refused_for_good("1000"));
	note_full(500);
	assert_false(refused_for_good("1000"));
	assert_true(refused_for_good("400"));
	assert_false(refused_for_good("0"));
	/* more mail does not begin it anew, a restart neither, nor does a clock that goes back end it */
	service_holds(service, 1, 200, 12);
	restart();
	assert_true(refused_for_good("400"));
	note_full((uint64_t)-1000);
	assert_false(refused_for_good("400"));
	/* room ends it, and it begins anew */
	note_full(500);
	assert_true(refused_for_good("400"));
	service_holds(service, 1, 99, 5);
	assert_int_equal(look_up("alice@example.test"), IPC_OK);
	assert_false(got.for_good);
	await_change();
	service_holds(service, 1, 100, 6);
	await_change();
	assert_false(refused_for_good("400"));
	/* an earlier version did not write since when */
	note_full((uint64_t)time(NULL));
	restart();
	a = directory_by_id(store_directory(store), 1);
	assert_true(a->noted && a->holds.since == 0);
	assert_false(refused_for_good("400"));
	service_holds(service, 1, 100, 6);
	await_change();
	assert_true(a->holds.since > 0);
}

static void
test_user_life(void **state)
{
	uint64_t generation;

	(void)state;
	assert_int_equal(
	    command(CMD_user_add, "alice@example.test", NULL, "correct horse"), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_CREATE);
	assert_int_equal(asked[0].account, 1);
	assert_int_equal(look_up("Alice+x@example.test"), IPC_OK);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.account, 1);
	assert_int_equal(look_up("bob@example.test"), IPC_NO);
	assert_int_equal(look_up("bob@other.test"), IPC_NOT_LOCAL);
	assert_int_equal(look_up("postmaster"), IPC_OK);

	assert_int_equal(verifier("ALICE@example.test"), IPC_OK);
	assert_int_equal(got.account, 1);
	assert_int_equal(strncmp(got.text, "$argon2id$v=19$m=8192,t=1,p=1$", 30), 0);
	assert_int_equal(crypto_pwhash_str_verify(got.text, "correct horse", 13), 0);
	generation = got.generation;
	assert_int_equal(verifier("alice+x@example.test"), IPC_NO);
	assert_int_equal(verifier("alice"), IPC_NO);
	assert_int_equal(verifier("postmaster"), IPC_NO);
	assert_int_equal(verifier(""), IPC_NO);

	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_opened);
	assert_true(got.fd >= 0);
	close(got.fd);
	login_open(1, generation + 1);
	assert_int_equal(got.type, IPC_login_refused);
	login_open(2, generation);
	assert_int_equal(got.type, IPC_login_refused);

	check_options(generation);

	/* a new password ends the sessions and what was proven before */
	asked_n = 0;
	assert_int_equal(
	    command(CMD_user_passwd, "alice@example.test", NULL, "battery staple"), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_KICK);
	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_NO);
	assert_int_equal(verifier("alice@example.test"), IPC_OK);
	generation = got.generation;

	asked_n = 0;
	changed = 0;
	assert_int_equal(command(CMD_user_suspend, "alice@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_KICK);
	assert_int_equal(verifier("alice@example.test"), IPC_SUSPENDED);
	assert_int_equal(got.text[0], 0);
	assert_int_equal(look_up("alice@example.test"), IPC_SUSPENDED);
	assert_true(changed > 0); /* came before the answer to the look-up behind it */
	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(command(CMD_user_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "alice@example.test|1|suspended|default|default||\n");
	assert_int_equal(command(CMD_user_resume, "alice@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(verifier("alice@example.test"), IPC_OK);

	/* master has trouble with the mailbox: for now, not for ever */
	master_result = IPC_NO;
	login_open(1, got.generation);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_TEMP);
	master_result = IPC_OK;

	asked_n = 0;
	assert_int_equal(command(CMD_user_remove, "alice@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_REMOVE);
	assert_int_equal(verifier("alice@example.test"), IPC_NO);
	assert_int_equal(service_pending(service), 0);
}

static void
test_refusals(void **state)
{
	char longest[PASSWORD_MAX + 1];

	(void)state;
	memset(longest, 'x', PASSWORD_MAX);
	longest[PASSWORD_MAX] = 0;
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "short"), IPC_INVALID);
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, NULL), IPC_INVALID);
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "tab\tinside"), IPC_INVALID);
	assert_int_equal(
	    command(CMD_user_add, "a@example.test", NULL, "\xff\xff\xff\xff\xff\xff\xff\xff"),
	    IPC_INVALID);
	assert_int_equal(command(CMD_user_add, "a@other.test", NULL, "long enough"), IPC_NOT_LOCAL);
	assert_int_equal(command(CMD_user_passwd, "a@example.test", NULL, "long enough"), IPC_NO);
	assert_int_equal(command(CMD_user_suspend, "a@example.test", NULL, NULL), IPC_NO);
	assert_int_equal(asked_n, 0);
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, longest), IPC_OK);
	assert_int_equal(command(CMD_user_add, "A@example.test", NULL, longest), IPC_EXISTS);
	assert_true(got.text[0] != 0);
	/* not for accounts, no such verb, wrong number of arguments */
	assert_int_equal(command(CMD_queue_list, NULL, NULL, NULL), IPC_INVALID);
	assert_int_equal(command((enum command_id)9999, NULL, NULL, NULL), IPC_INVALID);
	assert_int_equal(command(CMD_domain_add, NULL, NULL, NULL), IPC_INVALID);
	assert_int_equal(command(CMD_domain_add, "a.test", "b.test", NULL), IPC_INVALID);
}

static void
test_lists(void **state)
{
	(void)state;
	assert_int_equal(command(CMD_domain_add, "Second.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_add, "bob@second.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(
	    command(CMD_alias_add, "info@example.test", "bob@second.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_domain_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "example.test|0|\nsecond.test|1|\n");
	assert_int_equal(command(CMD_alias_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "info@example.test|bob@second.test|\n");
	assert_int_equal(command(CMD_domain_remove, "second.test", NULL, NULL), IPC_DENIED);
	assert_non_null(strstr(got.text, "@"));
	assert_int_equal(command(CMD_accounts_export, NULL, NULL, NULL), IPC_OK);
	assert_non_null(strstr(got.rows, "752f3030303030303031|"));
	assert_int_equal(command(CMD_alias_remove, "info@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_remove, "bob@second.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_domain_remove, "second.test", NULL, NULL), IPC_OK);
}

static void
expand(const char *address)
{
	ipc_send_address_expand(
	    queue, 66, &(struct ipc_address_expand){ .address = str_of(address) });
	wait_reply();
	assert_int_equal(got.type, IPC_address_targets);
	assert_int_equal(got.id, 66);
}

static enum ipc_result
sender(uint32_t account, const char *address)
{
	ipc_send_sender_check(queue, 55,
	    &(struct ipc_sender_check){ .account = account, .address = str_of(address) });
	wait_reply();
	assert_int_equal(got.type, IPC_sender_is);
	assert_int_equal(got.id, 55);
	return got.result;
}

static void
two_users(void)
{
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(command(CMD_user_add, "b@example.test", NULL, "long enough"), IPC_OK);
	connect_peer(IPC_CH_accounts_queue, &queue);
}

static void
test_targets(void **state)
{
	(void)state;
	two_users();
	expand("a@example.test");
	assert_int_equal(got.result, IPC_OK);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.account, 1);
	assert_string_equal(got.text, "");
	assert_false(got.list);
	assert_int_equal(told.key_n, STORE_SECRET);
	assert_memory_equal(told.key, store_forward_key(store).p, STORE_SECRET);
	expand("nobody@example.test");
	assert_int_equal(got.result, IPC_NO);
	expand("a@other.test");
	assert_int_equal(got.result, IPC_NOT_LOCAL);
	expand("");
	assert_int_equal(got.result, IPC_INVALID);
}

static void
test_forwards(void **state)
{
	(void)state;
	two_users();
	told.changed = 0;
	assert_int_equal(command(CMD_forward_add, "a@example.test", "x@other.test", NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.changed, 1); /* came before the answer behind it */
	assert_string_equal(got.text, "x@other.test|");
	assert_int_equal(got.n, 1);
	assert_false(got.list);
	assert_int_equal(look_up("a@example.test"), IPC_OK);
	assert_true(got.elsewhere);
	assert_int_equal(got.n, 1);
	assert_int_equal(look_up("b@example.test"), IPC_OK);
	assert_false(got.elsewhere);
	assert_int_equal(command(CMD_forward_keep, "a@example.test", "maybe", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_forward_keep, "a@example.test", "no", NULL), IPC_OK);
	assert_int_equal(command(CMD_forward_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "a@example.test|no|x@other.test|\n");
	expand("a@example.test");
	assert_int_equal(got.n, 0);
	assert_string_equal(got.text, "x@other.test|");
	assert_int_equal(command(CMD_alias_add, "one@example.test", "y@other.test", NULL), IPC_OK);
	expand("one@example.test");
	assert_false(got.list);
}

/* Which one stands in the way is said. */
static void
test_targets_that_are_needed(void **state)
{
	(void)state;
	two_users();
	assert_int_equal(command(CMD_forward_add, "a@example.test", "x@other.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_alias_add, "one@example.test", "y@other.test", NULL), IPC_OK);
	assert_int_equal(
	    command(CMD_forward_add, "b@example.test", "a@example.test", NULL), IPC_OK);
	assert_int_equal(
	    command(CMD_forward_add, "a@example.test", "b@example.test", NULL), IPC_INVALID);
	assert_non_null(strstr(got.text, "the forward of "));
	assert_non_null(strstr(got.text, "@example.test leads in a circle"));
	assert_int_equal(
	    command(CMD_alias_add, "two@example.test", "one@example.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_alias_remove, "one@example.test", NULL, NULL), IPC_DENIED);
	assert_string_equal(
	    got.text, "the alias two@example.test has it as a target; remove that first");
	assert_int_equal(command(CMD_user_remove, "a@example.test", NULL, NULL), IPC_DENIED);
	assert_string_equal(
	    got.text, "the forward of b@example.test points to it; remove that first");
	assert_int_equal(command(CMD_forward_remove, "b@example.test", NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_forward_remove, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(got.n, 1);
}

static void
test_lists_as_senders(void **state)
{
	(void)state;
	two_users();
	assert_int_equal(
	    store_alias_add(store, STR("list@example.test"),
		str_from("a@example.test\0b@example.test", 30), &(struct buf){ .max = 100 }),
	    IPC_OK);
	expand("list@example.test");
	assert_int_equal(got.n, 2);
	assert_true(got.list);
	assert_int_equal(sender(1, "list@example.test"), IPC_DENIED);
	assert_int_equal(
	    command(CMD_send_as_add, "a@example.test", "list@example.test", NULL), IPC_OK);
	assert_int_equal(sender(1, "list@example.test"), IPC_OK);
	assert_int_equal(sender(2, "list@example.test"), IPC_DENIED);
	assert_int_equal(command(CMD_send_as_list, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "a@example.test|list@example.test|\n");
	assert_int_equal(
	    command(CMD_send_as_remove, "a@example.test", "list@example.test", NULL), IPC_OK);
	assert_int_equal(sender(1, "list@example.test"), IPC_DENIED);
	assert_int_equal(sender(1, ""), IPC_INVALID);
	assert_int_equal(sender(9, "a@example.test"), IPC_DENIED);
}

/* What smtpd asks when a blocklist names the client: the answer changes with the command. */
static void
test_allowed(void **state)
{
	(void)state;
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "password 1"), IPC_OK);
	assert_int_equal(command(CMD_user_add, "b@example.test", NULL, "password 1"), IPC_OK);
	assert_int_equal(allowed("a@example.test", "s@far.test"), IPC_NO);
	assert_int_equal(command(CMD_user_allow, "a@example.test", "s@FAR.test", NULL), IPC_OK);
	assert_int_equal(allowed("a@example.test", "s@far.test"), IPC_OK);
	assert_int_equal(allowed("b@example.test", "s@far.test"), IPC_NO);
	assert_int_equal(allowed("", ""), IPC_NO);
	assert_int_equal(command(CMD_user_allow, "b@example.test", "t@far.test", NULL), IPC_OK);
	assert_int_equal(command(CMD_user_allowed, NULL, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "a@example.test|s@far.test|\nb@example.test|t@far.test|\n");
	assert_int_equal(command(CMD_user_allowed, "b@example.test", NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "b@example.test|t@far.test|\n");
	assert_int_equal(command(CMD_user_allowed, "c@example.test", NULL, NULL), IPC_NO);
	assert_int_equal(command(CMD_user_allow, "a@example.test", "far.test", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_user_disallow, "a@example.test", "s@far.test", NULL), IPC_OK);
	assert_int_equal(allowed("a@example.test", "s@far.test"), IPC_NO);
	assert_int_equal(command(CMD_user_disallow, "a@example.test", "s@far.test", NULL), IPC_NO);
}

/* What comes back to a rewritten reverse-path goes to the first sender, here or elsewhere. */
static void
test_rewritten(void **state)
{
	static const struct {
		int days; /* since it was made */
		const char *sender;
		enum ipc_result want;
		unsigned n;
		const char *remote;
	} cases[] = {
		{ 0, "Some.One@other.test", IPC_OK, 0, "Some.One@other.test|" },
		{ SRS_AGE_DAYS, "x@other.test", IPC_OK, 0, "x@other.test|" },
		{ SRS_AGE_DAYS + 1, "x@other.test", IPC_NO, 0, "" },
		{ 0, "a@example.test", IPC_OK, 1, "" },
		{ 0, "nobody@example.test", IPC_NO, 0, "" },
	};
	const uint8_t *key = (const uint8_t *)store_forward_key(store).p;
	uint32_t today = srs_day((uint64_t)time(NULL) * 1000);
	char address[ADDRESS_TEXT_SIZE], *tag;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(srs_make(key, today - (uint32_t)cases[i].days, str_of(cases[i].sender),
				STR("example.test"), address) > 0);
		expand(address);
		if (got.result != cases[i].want || got.n != cases[i].n ||
		    strcmp(got.text, cases[i].remote) != 0)
			fail_msg("case %zu: got %d %u %s", i, got.result, got.n, got.text);
		assert_false(got.list);
		assert_int_equal(look_up(address), cases[i].want);
		assert_int_equal(got.elsewhere, cases[i].remote[0] != 0);
		assert_int_equal(sender(1, address), IPC_DENIED);
	}
	/* forged, and of a domain that is not ours */
	assert_true(srs_make(key, today, STR("x@other.test"), STR("example.test"), address) > 0);
	tag = address + strlen("SRS0=");
	*tag = *tag == 'A' ? 'B' : 'A';
	expand(address);
	assert_int_equal(got.result, IPC_NO);
	assert_true(srs_make(key, today, STR("x@other.test"), STR("foreign.test"), address) > 0);
	expand(address);
	assert_int_equal(got.result, IPC_NOT_LOCAL);
}

static void
submission(uint32_t account, uint64_t generation)
{
	got.fd = -1;
	ipc_send_login_open(auth, 98,
	    &(struct ipc_login_open){
		.account = account, .submission = 1, .generation = generation });
	wait_reply();
}

/* The password in the row that app_password_add printed. */
static struct str
shown(const char *address, const char *name)
{
	char before[256];
	size_t n = (size_t)snprintf(before, sizeof(before), "%s|%s|", address, name);

	assert_int_equal(strncmp(got.rows, before, n), 0);
	return str_from(got.rows + n, strcspn(got.rows + n, "|"));
}

static bool
is_key(size_t i, struct str password)
{
	struct scram_keys keys;

	scram_keys_make(password, got.salt, &keys);
	return memcmp(&keys, &got.keys[i], sizeof(keys)) == 0;
}

/* The salt is there for everybody and says nothing about who is there. */
static void
test_salts(void **state)
{
	uint8_t salt[SCRAM_SALT];

	(void)state;
	assert_int_equal(verifier(A), IPC_NO);
	assert_int_equal(got.nkeys, 0);
	memcpy(salt, got.salt, SCRAM_SALT);
	assert_int_equal(verifier("b@example.test"), IPC_NO);
	assert_memory_not_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(verifier("no address"), IPC_NO);
	assert_memory_not_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier("A@Example.test"), IPC_OK);
	assert_int_equal(got.nkeys, 0);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_user_suspend, A, NULL, NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_SUSPENDED);
	assert_int_equal(got.nkeys, 0);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
	assert_int_equal(command(CMD_user_remove, A, NULL, NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_NO);
	assert_memory_equal(salt, got.salt, SCRAM_SALT);
}

static void
test_app_passwords(void **state)
{
	char first[64], second[64], name[80];
	uint64_t generation;

	(void)state;
	connect_peer(IPC_CH_accounts_queue, &queue);
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_NO);
	assert_string_equal(got.rows, "");
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(command(CMD_app_password_list, A, NULL, NULL), IPC_OK);
	assert_string_equal(got.rows, "");
	assert_int_equal(command(CMD_app_password_add, "A@EXAMPLE.test", "phone", NULL), IPC_OK);
	(void)snprintf(first, sizeof(first), "%.*s", STRF(shown("A@EXAMPLE.test", "phone")));
	assert_int_equal(strlen(first), 23);
	assert_int_equal(strspn(first, "abcdefghijkmnpqrstuvwxyz23456789-"), 23);
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_EXISTS);
	assert_string_equal(got.rows, "");
	assert_int_equal(command(CMD_app_password_add, A, "lap top", NULL), IPC_OK);
	(void)snprintf(second, sizeof(second), "%.*s", STRF(shown(A, "lap top")));
	assert_string_not_equal(first, second);
	assert_int_equal(command(CMD_app_password_add, A, "", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_app_password_add, A, "a\tb", NULL), IPC_INVALID);
	assert_int_equal(command(CMD_app_password_add, A, "\xff", NULL), IPC_INVALID);
	memset(name, 'n', sizeof(name));
	name[APP_NAME_MAX + 1] = 0;
	assert_int_equal(command(CMD_app_password_add, A, name, NULL), IPC_INVALID);

	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 2);
	assert_true(is_key(0, str_of(first)) && is_key(1, str_of(second)));
	generation = got.generation;
	assert_int_equal(command(CMD_app_password_list, NULL, NULL, NULL), IPC_OK);
	assert_non_null(strstr(got.rows, A "|phone|20"));
	assert_non_null(strstr(got.rows, A "|lap top|20"));
	assert_null(strstr(got.rows, first));
	assert_int_equal(command(CMD_app_password_list, "b@example.test", NULL, NULL), IPC_NO);

	/* another main password leaves them alone */
	assert_int_equal(command(CMD_user_passwd, A, NULL, "still longer"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 2);
	assert_true(got.generation > generation);
	generation = got.generation;

	/* taken back: what was proven with it is worth nothing, sessions and doors end */
	asked_n = 0;
	told.kicked = 0;
	assert_int_equal(command(CMD_app_password_remove, A, "phone", NULL), IPC_OK);
	assert_int_equal(asked[0].what, SERVICE_KICK);
	assert_int_equal(asked[0].account, 1);
	expand(A);
	assert_int_equal(told.kicked, 1);
	assert_int_equal(command(CMD_app_password_remove, A, "phone", NULL), IPC_NO);
	assert_int_equal(command(CMD_app_password_remove, A, "", NULL), IPC_NO);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 1);
	assert_true(is_key(0, str_of(second)));
	login_open(1, generation);
	assert_int_equal(got.type, IPC_login_refused);

	/* twenty, not one more */
	for (int i = 1; i < APP_PASSWORDS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "device %d", i);
		assert_int_equal(command(CMD_app_password_add, A, name, NULL), IPC_OK);
	}
	assert_int_equal(command(CMD_app_password_add, A, "one more", NULL), IPC_FULL);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, APP_PASSWORDS_MAX);
	/* with the account they go */
	assert_int_equal(command(CMD_user_remove, A, NULL, NULL), IPC_OK);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 0);
}

/* The main password gets keys for SCRAM only where that is wanted. */
static void
test_scram_main(void **state)
{
	const char *why;

	(void)state;
	assert_int_equal(settings_set(settings, SET_auth_scram_main_password, "yes", &why), 0);
	assert_int_equal(command(CMD_user_add, A, NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 1);
	assert_true(is_key(0, STR("long enough")));
	assert_int_equal(command(CMD_app_password_add, A, "phone", NULL), IPC_OK);
	assert_int_equal(command(CMD_user_passwd, "A@example.test", NULL, "still longer"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 2);
	assert_true(is_key(0, STR("still longer")));
	assert_int_equal(command(CMD_app_password_list, A, NULL, NULL), IPC_OK);
	assert_null(strchr(strchr(got.rows, '\n') + 1, '\n')); /* one row */
	/* with the next one it is gone */
	assert_int_equal(settings_set(settings, SET_auth_scram_main_password, "no", &why), 0);
	assert_int_equal(command(CMD_user_passwd, A, NULL, "even longer"), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 1);
	assert_false(is_key(0, STR("even longer")));
	assert_int_equal(command(CMD_app_password_remove, A, "phone", NULL), IPC_OK);
	assert_int_equal(verifier(A), IPC_OK);
	assert_int_equal(got.nkeys, 0);
}

/* Both ends of a door: one with queue, one with auth; and its end. */
static void
test_doors(void **state)
{
	uint64_t generation;
	char byte = 0;

	(void)state;
	assert_int_equal(command(CMD_user_add, "A@example.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier("a@example.test"), IPC_OK);
	generation = got.generation;
	submission(1, generation); /* queue is away */
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_TEMP);
	connect_peer(IPC_CH_accounts_queue, &queue);
	asked_n = 0;
	submission(1, generation);
	assert_int_equal(got.type, IPC_login_opened);
	assert_int_equal(asked_n, 0); /* no mailbox is started for it */
	expand("a@example.test");
	assert_int_equal(told.account, 1);
	assert_string_equal(told.login, "A@example.test");
	assert_int_equal(write(got.fd, "x", 1), 1);
	assert_int_equal(read(told.fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(got.fd);
	close(told.fd);
	submission(1, generation + 1);
	assert_int_equal(got.type, IPC_login_refused);
	assert_int_equal(got.result, IPC_NO);

	assert_int_equal(command(CMD_user_passwd, "a@example.test", NULL, "still longer"), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
	told.kicked = 0;
	assert_int_equal(command(CMD_user_suspend, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
	told.kicked = 0;
	assert_int_equal(command(CMD_user_resume, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 0);
	/* while the channel is away: told when it is there again, once */
	ipc_channel_free(&queue);
	assert_int_equal(look_up("a@example.test"), IPC_OK);
	assert_int_equal(command(CMD_user_passwd, "a@example.test", NULL, "longer yet"), IPC_OK);
	connect_peer(IPC_CH_accounts_queue, &queue);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
	told.kicked = 0;
	ipc_channel_free(&queue);
	assert_int_equal(look_up("a@example.test"), IPC_OK);
	connect_peer(IPC_CH_accounts_queue, &queue);
	expand("a@example.test");
	assert_int_equal(told.kicked, 0);
	assert_int_equal(command(CMD_user_remove, "a@example.test", NULL, NULL), IPC_OK);
	expand("a@example.test");
	assert_int_equal(told.kicked, 1);
}

/* A crash while master works: the note is there, the next start asks again. */
static void
test_owed(void **state)
{
	uint32_t id;
	uint8_t todo;

	(void)state;
	master_answers = false;
	assert_int_equal(
	    command(CMD_user_add, "a@example.test", NULL, "long enough"), IPC_RESULT__MAX);
	assert_int_equal(service_pending(service), 1);
	assert_int_equal(look_up("a@example.test"), IPC_NO);
	assert_true(store_todo_next(store, true, 0, &id, &todo));
	assert_int_equal(todo, TODO_REMOVE);
	service_free(&service);
	asked_n = 0;
	service = service_new(loop, store, settings, ask, NULL);
	assert_int_equal(asked_n, 1);
	assert_int_equal(asked[0].what, SERVICE_REMOVE);
	assert_int_equal(asked[0].account, 1);
	master_answer(0);
	assert_false(store_todo_next(store, true, 0, &id, &todo));
	assert_int_equal(service_pending(service), 0);
}

/* The asker goes away while master works: the descriptor is not left open, nothing crashes. */
static void
test_peer_gone(void **state)
{
	int before, after;

	(void)state;
	assert_int_equal(command(CMD_user_add, "a@example.test", NULL, "long enough"), IPC_OK);
	assert_int_equal(verifier("a@example.test"), IPC_OK);
	master_answers = false;
	asked_n = 0;
	login_open(1, got.generation);
	assert_int_equal(got.type, IPC_none);
	assert_int_equal(asked_n, 1);
	ipc_channel_free(&auth);
	wait_reply();
	before = dup(0);
	close(before);
	master_answer(0);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(service_pending(service), 0);
	/* answers nobody asked for */
	service_done(service, 12345, IPC_OK);
	service_opened(service, 12345, IPC_OK, open("/dev/null", O_RDONLY));
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	connect_peer(IPC_CH_accounts_auth, &auth);
	master_answers = true;
	assert_int_equal(verifier("a@example.test"), IPC_OK);
}

/* A row of another channel ends that peer only. */
static void
test_violation(void **state)
{
	uint8_t junk[64];

	(void)state;
	memset(junk, 0xee, sizeof(junk));
	ipc_channel_free(&lookup);
	{
		int sv[2];

		assert_int_equal(ipc_pair(sv), 0);
		service_peer(service, IPC_CH_accounts_lookup, sv[0]);
		assert_int_equal(write(sv[1], junk, sizeof(junk)), (ssize_t)sizeof(junk));
		lookup =
		    ipc_channel_new(loop, sv[1], IPC_CH_accounts_lookup, IPC_CLIENT, &ops, &lookup);
		wait_reply();
		assert_true(got.closed);
	}
	assert_int_equal(verifier("a@example.test"), IPC_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_user_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_for_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets_that_are_needed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_as_senders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rewritten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_salts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_app_passwords, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scram_main, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_violation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
