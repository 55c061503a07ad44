/* SPDX-License-Identifier: ISC */
/* The service of accounts, its peers and master played by the test; all static. */
#ifndef POSTERN_ACCOUNTS_TEST_SERVICE_H
#define POSTERN_ACCOUNTS_TEST_SERVICE_H

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

static inline void
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

static inline void
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

static inline void
note(enum ipc_type type, uint64_t id, uint8_t result)
{
	got.type = type;
	got.id = id;
	got.result = result;
	io_loop_stop(loop);
}

static inline void
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

static inline void
on_sender_allowed_is(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_allowed_is *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	note(IPC_sender_allowed_is, id, m->result);
}

static inline void
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

static inline void
on_login_opened(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_login_opened *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)snprintf(got.hidden, sizeof(got.hidden), "%.*s", STRF(m->hidden_capabilities));
	got.fd = fd;
	note(IPC_login_opened, id, IPC_OK);
}

static inline void
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

static inline void
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

static inline void
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

static inline void
on_sender_is(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_is *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	note(IPC_sender_is, id, m->result);
}

static inline void
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

static inline void
on_door_bind(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_bind *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	told.account = m->account;
	told.fd = fd;
	(void)snprintf(told.login, sizeof(told.login), "%.*s", STRF(m->login));
}

static inline void
on_door_kick(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_kick *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	told.kicked = m->account;
}

static inline void
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

static inline void
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

static inline void
on_admin_end(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_end *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)fd;
	(void)snprintf(got.text, sizeof(got.text), "%.*s", STRF(m->message));
	note(IPC_admin_end, id, m->result);
}

static inline void
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

static inline void
connect_peer(enum ipc_channel_kind kind, struct ipc_channel **ch)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	service_peer(service, kind, sv[0]);
	*ch = ipc_channel_new(loop, sv[1], kind, IPC_CLIENT, &ops, ch);
}

static inline void
timeout(void *arg)
{
	(void)arg;
	got.type = IPC_none;
	io_loop_stop(loop);
}

/* Runs until a reply came (or, with nothing to come, 200 ms passed). */
static inline void
wait_reply(void)
{
	struct io_timer *t = io_timer_new(loop, timeout, NULL);

	io_timer_set(t, master_answers ? 5000 : 200);
	io_loop_run(loop);
	io_timer_free(&t);
}

static inline void
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

static inline int
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

static inline int
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

static inline enum ipc_result
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

static inline enum ipc_result
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

static inline enum ipc_result
verifier(const char *login)
{
	ipc_send_verifier_get(auth, 88, &(struct ipc_verifier_get){ .login = str_of(login) });
	wait_reply();
	assert_int_equal(got.type, IPC_verifier_is);
	assert_int_equal(got.id, 88);
	return got.result;
}

static inline void
login_open(uint32_t account, uint64_t generation)
{
	got.fd = -1;
	ipc_send_login_open(
	    auth, 99, &(struct ipc_login_open){ .account = account, .generation = generation });
	wait_reply();
}

static inline enum ipc_result
quota(const char *bytes, const char *messages)
{
	enum ipc_result r;

	third = messages;
	r = command(CMD_user_quota, "alice@example.test", bytes, NULL);
	third = NULL;
	return r;
}

static inline void
expand(const char *address)
{
	ipc_send_address_expand(
	    queue, 66, &(struct ipc_address_expand){ .address = str_of(address) });
	wait_reply();
	assert_int_equal(got.type, IPC_address_targets);
	assert_int_equal(got.id, 66);
}

#endif
