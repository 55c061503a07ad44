/* SPDX-License-Identifier: ISC */
/* Real TLS with a fake keys process; auth and the mailbox process are played by the test. */
#include "imapd/imapd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth_client/auth_client.h"
#include "tls/fake_keys.h"
#include "tls/test_peer.h"

enum { WORKERS = 2 };

/* What a fake auth process has seen, and what it answers at once. */
enum answer { ANSWER_LATER, ANSWER_OK, ANSWER_NO, ANSWER_TEMP, ANSWER_CHALLENGE };

struct fake_auth {
	struct ipc_channel *ch;
	enum answer answer;
	unsigned started, continued, cancelled;
	uint64_t id;
	char service[16], mechanism[32], address[64], bytes[256];
	char exporter[TLS_BINDING_MAX + 1];
	size_t n, exporter_n, end_point_n;
	int mailbox; /* our end, after ANSWER_OK */
};

static struct settings *settings;
static struct imapd *d;
static struct fake_auth auth[WORKERS];
static pid_t keys;
static struct peer peers[4];

/* --- auth ---------------------------------------------------------------------------------------
 */

static void
auth_answer(struct fake_auth *a, uint64_t id)
{
	int sv[2];

	switch (a->answer) {
	case ANSWER_LATER:
		break;
	case ANSWER_OK:
		assert_int_equal(ipc_pair(sv), 0);
		a->mailbox = sv[0];
		ipc_send_auth_ok(a->ch, id,
		    &(struct ipc_auth_ok){ .account = 7,
			.login = STR("alice@a.test"),
			.hidden_capabilities = STR("SORT ESORT") },
		    sv[1]);
		break;
	case ANSWER_CHALLENGE:
		a->answer = ANSWER_OK;
		ipc_send_auth_challenge(a->ch, id, &(struct ipc_auth_challenge){ STR(""), 0 });
		break;
	default:
		ipc_send_auth_failed(a->ch, id,
		    &(struct ipc_auth_failed){
			.result = a->answer == ANSWER_NO ? IPC_NO : IPC_TEMP, .login = STR("x") });
		break;
	}
}

static void
copy(char *out, size_t size, struct str s)
{
	assert_true(s.n < size);
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

static void
on_start(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_start *m, int fd)
{
	struct fake_auth *a = arg;

	(void)ch, (void)fd;
	a->started++;
	a->id = id;
	copy(a->service, sizeof(a->service), m->service);
	copy(a->mechanism, sizeof(a->mechanism), m->mechanism);
	copy(a->address, sizeof(a->address), m->client_address);
	copy(a->exporter, sizeof(a->exporter), m->tls_exporter);
	a->exporter_n = m->tls_exporter.n;
	a->end_point_n = m->tls_server_end_point.n;
	copy(a->bytes, sizeof(a->bytes), m->initial);
	a->n = m->initial.n;
	auth_answer(a, id);
}

static void
on_continue(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_continue *m, int fd)
{
	struct fake_auth *a = arg;

	(void)ch, (void)fd;
	a->continued++;
	copy(a->bytes, sizeof(a->bytes), m->response);
	a->n = m->response.n;
	auth_answer(a, id);
}

static void
on_cancel(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_cancel *m, int fd)
{
	struct fake_auth *a = arg;

	(void)ch, (void)id, (void)m, (void)fd;
	a->cancelled++;
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct fake_auth *a = arg;

	(void)ch;
	ipc_channel_free(&a->ch);
}

static unsigned
any_state(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return IPC_ANY;
}

static void
auth_add(int i, enum answer answer)
{
	static const union ipc_handler handlers[IPC__MAX] = {
		IPC_ON(auth_start, on_start),
		IPC_ON(auth_continue, on_continue),
		IPC_ON(auth_cancel, on_cancel),
	};
	static const struct ipc_ops ops = {
		.handlers = handlers, .state = any_state, .on_close = on_close
	};
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	auth[i] = (struct fake_auth){ .answer = answer, .mailbox = -1 };
	auth[i].ch = ipc_channel_new(loop, sv[0], IPC_CH_auth, IPC_SERVER, &ops, &auth[i]);
	auth_pool_add(d->auth, (uint32_t)i, sv[1]);
}

/* --- the client ---------------------------------------------------------------------------------
 */

static void
peer_open(struct peer *p, bool implicit_tls, uint32_t address)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };

	imapd_accept(d, implicit_tls, peer_pair(p), (struct sockaddr *)&sa, sizeof(sa));
}

static void
peer_open_tls(struct peer *p)
{
	peer_open(p, true, INADDR_LOOPBACK);
	assert_true(peer_tls(p));
	dialog(p, NULL, "* OK ");
}

/* --- the mailbox process -------------------------------------------------------------------------
 */

/* Reads and checks the hand-over; returns what was unread in text. */
static void
take_handover(int fd, const char *tag, char text[256])
{
	struct ipc_session_handover *m;
	union ipc_any any;
	struct ipc_frame f;
	struct buf in;
	const char *why;
	ssize_t n;

	buf_init(&in, 1 << 18);
	n = recv(fd, buf_reserve(&in, 1 << 17), 1 << 17, 0);
	assert_true(n > 0);
	buf_commit(&in, (size_t)n);
	assert_int_equal(ipc_frame_peek(&in, IPC_CH_mailbox_session, IPC_CLIENT, &f, &why), 1);
	assert_int_equal(f.type, IPC_session_handover);
	assert_int_equal(ipc_decode(f.type, f.payload, &any), 0);
	assert_int_equal(buf_len(&in), IPC_HEADER + f.payload.n);
	m = &any.session_handover;
	assert_true(str_eq(m->protocol, STR("imap")));
	assert_true(str_eq(m->login, STR("alice@a.test")));
	assert_true(str_eq(m->tag, str_of(tag)));
	assert_true(str_eq(m->client_address, STR("127.0.0.1")));
	assert_memory_equal(m->tls.p, "TLSv1.3 TLS_", 12);
	assert_true(m->session.n > 8);
	assert_true(str_eq(m->hidden_capabilities, STR("SORT ESORT")));
	copy(text, 256, m->unread);
	buf_free(&in);
}

/* A logged-in connection; returns the mailbox end. */
static int
login(struct peer *p)
{
	char unread[256];

	auth[0].answer = ANSWER_OK;
	peer_open_tls(p);
	peer_send(p, "a1 LOGIN alice@a.test pw\r\n");
	run(15);
	assert_true(auth[0].mailbox >= 0);
	fcntl(auth[0].mailbox, F_SETFL, O_NONBLOCK);
	take_handover(auth[0].mailbox, "a1", unread);
	assert_string_equal(unread, "");
	/* imapd itself says nothing: the mailbox process writes the tagged OK. */
	assert_int_equal(peer_read(p), 0);
	assert_int_equal(send(auth[0].mailbox, "a1 OK done\r\n", 12, 0), 12);
	dialog(p, NULL, "a1 OK done\r\n");
	return auth[0].mailbox;
}

/* --- fixture ------------------------------------------------------------------------------ */

static int
setup(void **state)
{
	const char *why;
	int fd;

	(void)state;
	memset((void *)(uintptr_t)mode, 0, sizeof(*mode));
	settings = settings_new();
	assert_int_equal(
	    settings_set(settings, SET_imapd_max_connections_per_address, "3", &why), 0);
	d = imapd_new(loop, settings, 0);
	keys = spawn_keys(&fd);
	tls_server_set_keys(d->tls, fd);
	for (int i = 0; i < 4; i++)
		peers[i].fd = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		peer_close(&peers[i]);
	run(5);
	imapd_free(&d);
	settings_free(&settings);
	kill(keys, SIGKILL);
	waitpid(keys, NULL, 0);
	run(5);
	for (int i = 0; i < WORKERS; i++) {
		ipc_channel_free(&auth[i].ch);
		if (auth[i].mailbox > 0)
			close(auth[i].mailbox);
		auth[i].mailbox = -1;
	}
	return 0;
}

/* --- tests -------------------------------------------------------------------------------- */

static void
test_login_unread(void **state)
{
	char unread[256];

	(void)state;
	auth_add(0, ANSWER_OK);
	peer_open_tls(&peers[0]);
	peer_send(&peers[0], "x1 LOGIN alice@a.test \"se cret\"\r\nx2 NOOP\r\nx3 ");
	run(15);
	assert_string_equal(auth[0].mechanism, "PLAIN");
	assert_string_equal(auth[0].service, "imap");
	assert_string_equal(auth[0].address, "127.0.0.1");
	assert_int_equal(auth[0].n, 1 + 12 + 1 + 7);
	assert_memory_equal(auth[0].bytes, "\0alice@a.test\0se cret", 21);
	take_handover(auth[0].mailbox, "x1", unread);
	assert_string_equal(unread, "x2 NOOP\r\nx3 ");
}

/* auth learns what the login's proof can be tied to: the client sees the same. */
static void
test_bindings(void **state)
{
	unsigned char want[32];

	(void)state;
	auth_add(0, ANSWER_NO);
	peer_open_tls(&peers[0]);
	assert_non_null(strstr(peers[0].text, " AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS]"));
	assert_int_equal(SSL_export_keying_material(peers[0].ssl, want, sizeof(want),
			     "EXPORTER-Channel-Binding", 24, NULL, 0, 0),
	    1);
	dialog(&peers[0], "a LOGIN u p\r\n", "a NO ");
	assert_int_equal(auth[0].exporter_n, sizeof(want));
	assert_memory_equal(auth[0].exporter, want, sizeof(want));
	assert_int_equal(auth[0].end_point_n, 32);
}

static void
test_authenticate(void **state)
{
	char unread[256];

	(void)state;
	auth_add(0, ANSWER_CHALLENGE);
	peer_open_tls(&peers[0]);
	dialog(&peers[0], "b AUTHENTICATE PLAIN\r\n", "+ ");
	peer_send(&peers[0], "AGEAYg==\r\n");
	run(15);
	assert_int_equal(auth[0].continued, 1);
	assert_memory_equal(auth[0].bytes, "\0a\0b", 4);
	take_handover(auth[0].mailbox, "b", unread);
}

static void
test_starttls(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	auth_add(0, ANSWER_NO);
	peer_open(p, false, INADDR_LOOPBACK);
	dialog(p, NULL, "* OK ");
	assert_non_null(strstr(p->text, "STARTTLS"));
	assert_non_null(strstr(p->text, "LOGINDISABLED"));
	dialog(p, "a LOGIN x y\r\n", "a NO ");
	assert_int_equal(auth[0].started, 0);
	dialog(p, "b STARTTLS\r\n", "b OK ");
	assert_true(peer_tls(p));
	dialog(p, "c LOGIN x y\r\n", "c NO ");
	assert_int_equal(auth[0].started, 1);

	/* Input behind the command: the connection ends, nothing of it is used. */
	peer_open(&peers[1], false, INADDR_LOOPBACK);
	run(5);
	peer_read(&peers[1]);
	peer_send(&peers[1], "a STARTTLS\r\nb LOGOUT\r\n");
	run(10);
	peer_read(&peers[1]);
	assert_true(peers[1].eof);
	assert_null(strstr(peers[1].text, "b OK"));
}

static void
test_refusals(void **state)
{
	struct peer *p = &peers[0];

	(void)state;
	peer_open_tls(p);
	dialog(p, "a LOGIN x y\r\n", "a NO [UNAVAILABLE]");
	auth_add(0, ANSWER_TEMP);
	dialog(p, "b LOGIN x y\r\n", "b NO [UNAVAILABLE]");
	auth[0].answer = ANSWER_NO;
	dialog(p, "c LOGIN x y\r\n", "c NO [AUTHENTICATIONFAILED]");
	/* The process dies while it has the word. */
	auth[0].answer = ANSWER_LATER;
	peer_send(p, "d LOGIN x y\r\n");
	run(10);
	assert_int_equal(auth[0].started, 3);
	ipc_channel_free(&auth[0].ch);
	dialog(p, NULL, "d NO [UNAVAILABLE]");
	/* Its successor is used. */
	auth_add(0, ANSWER_NO);
	dialog(p, "e LOGIN x y\r\n", "e NO [AUTHENTICATIONFAILED]");
}

static void
test_too_many_failures(void **state)
{
	const char *why;

	(void)state;
	settings_set(settings, SET_imapd_max_login_failures, "2", &why);
	auth_add(0, ANSWER_NO);
	peer_open_tls(&peers[0]);
	dialog(&peers[0], "a LOGIN x y\r\n", "a NO ");
	dialog(&peers[0], "b LOGIN x y\r\n", "* BYE");
	assert_true(peers[0].eof);
}

static void
test_least_busy(void **state)
{
	(void)state;
	auth_add(0, ANSWER_LATER);
	auth_add(1, ANSWER_LATER);
	for (int i = 0; i < 3; i++) {
		peer_open_tls(&peers[i]);
		peer_send(&peers[i], "a LOGIN x y\r\n");
		run(10);
		assert_int_equal(auth[0].started, i == 0 ? 1 : i == 1 ? 1 : 2);
		assert_int_equal(auth[1].started, i == 0 ? 0 : 1);
	}
}

/* The client goes away while auth works: late answers harm nobody. */
static void
test_cancel(void **state)
{
	uint64_t id;

	(void)state;
	auth_add(0, ANSWER_LATER);
	peer_open_tls(&peers[0]);
	peer_send(&peers[0], "a LOGIN x y\r\n");
	run(10);
	id = auth[0].id;
	peer_close(&peers[0]);
	run(10);
	assert_int_equal(auth[0].cancelled, 1);
	auth[0].answer = ANSWER_OK;
	auth_answer(&auth[0], id);
	run(10);
	/* The descriptor was closed, the channel lives. */
	assert_int_equal(recv(auth[0].mailbox, &id, 1, MSG_DONTWAIT), 0);
	assert_non_null(auth[0].ch);
	close(auth[0].mailbox);
	auth[0].mailbox = -1;
	login(&peers[1]);
}

static void
test_relay(void **state)
{
	char text[64];
	int m;

	(void)state;
	auth_add(0, ANSWER_OK);
	m = login(&peers[0]);
	peer_send(&peers[0], "b NOOP\r\n");
	run(10);
	assert_int_equal(recv(m, text, sizeof(text), 0), 8);
	assert_memory_equal(text, "b NOOP\r\n", 8);
	/* LOGOUT: the mailbox process says goodbye itself. */
	assert_int_equal(send(m, "* BYE\r\nc OK\r\n", 13, 0), 13);
	close(m);
	auth[0].mailbox = -1;
	dialog(&peers[0], NULL, "* BYE\r\nc OK\r\n");
	assert_int_equal(peers[0].n, 13);
	assert_true(peers[0].eof);
	assert_int_equal(d->n, 0);
}

/* Neither side can make imapd hold more than its limits; nothing is lost. */
static void
test_back_pressure(void **state)
{
	enum { PATTERN = 251, CHUNK = 4096 };
	char chunk[CHUNK];
	size_t sent = 0, got = 0;
	int m;

	(void)state;
	auth_add(0, ANSWER_OK);
	m = login(&peers[0]);
	/* Mailbox -> client. */
	for (int quiet = 0; quiet < 3;) {
		ssize_t n;

		for (size_t i = 0; i < CHUNK; i++)
			chunk[i] = (char)((sent + i) % PATTERN);
		n = send(m, chunk, CHUNK, MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		run(2);
		assert_true(sent < (4 << 20));
	}
	assert_true(sent > IMAPD_TO_CLIENT);
	while (got < sent) {
		size_t n = peer_read(&peers[0]);

		for (size_t i = 0; i < n; i++)
			assert_int_equal((unsigned char)peers[0].text[i], (got + i) % PATTERN);
		got += n;
		run(2);
	}
	/* Client -> mailbox. */
	sent = got = 0;
	for (int quiet = 0; quiet < 3;) {
		size_t n = 0;

		for (size_t i = 0; i < CHUNK; i++)
			chunk[i] = (char)((sent + i) % PATTERN);
		ERR_clear_error();
		if (SSL_write_ex(peers[0].ssl, chunk, CHUNK, &n))
			quiet = 0;
		else
			quiet++;
		sent += n;
		run(2);
		assert_true(sent < (4 << 20));
	}
	while (got < sent) {
		ssize_t n = recv(m, chunk, CHUNK, 0);

		for (ssize_t i = 0; i < n; i++)
			assert_int_equal((unsigned char)chunk[i], (got + (size_t)i) % PATTERN);
		got += n > 0 ? (size_t)n : 0;
		if (n <= 0)
			run(2);
	}
}

static void
test_mailbox_gone(void **state)
{
	int m;

	(void)state;
	auth_add(0, ANSWER_OK);
	m = login(&peers[0]);
	send(m, "* 1 EXISTS\r\n", 12, 0);
	close(m);
	auth[0].mailbox = -1;
	dialog(&peers[0], NULL, "* 1 EXISTS\r\n* BYE ");
	assert_true(peers[0].eof);
	assert_int_equal(d->n, 0);
}

/* The client ends its side; the last answers still come. */
static void
test_half_close(void **state)
{
	char text[64];
	int m;

	(void)state;
	auth_add(0, ANSWER_OK);
	m = login(&peers[0]);
	peer_send(&peers[0], "b LOGOUT\r\n");
	SSL_shutdown(peers[0].ssl);
	run(10);
	assert_int_equal(recv(m, text, sizeof(text), 0), 10);
	assert_int_equal(recv(m, text, sizeof(text), 0), 0);
	send(m, "* BYE\r\nb OK\r\n", 13, 0);
	close(m);
	auth[0].mailbox = -1;
	run(10);
	assert_int_equal(SSL_read(peers[0].ssl, text, sizeof(text)), 13);
	assert_int_equal(d->n, 0);
}

static void
test_client_lost(void **state)
{
	char text[64];
	int m;

	(void)state;
	auth_add(0, ANSWER_OK);
	m = login(&peers[0]);
	peer_send(&peers[0], "b NOOP\r\n");
	peer_close(&peers[0]);
	run(10);
	assert_int_equal(recv(m, text, sizeof(text), 0), 8);
	assert_int_equal(recv(m, text, sizeof(text), 0), 0);
	assert_int_equal(d->n, 0);
}

static void
test_limits(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		peer_open(&peers[i], false, INADDR_LOOPBACK);
	peer_open(&peers[3], false, INADDR_LOOPBACK);
	dialog(&peers[3], NULL, "* BYE ");
	assert_true(peers[3].eof);
	peer_close(&peers[3]);
	/* Another address is served; a place becomes free again. */
	peer_open(&peers[3], false, INADDR_LOOPBACK + 1);
	dialog(&peers[3], NULL, "* OK ");
	peer_close(&peers[3]);
	peer_close(&peers[0]);
	run(5);
	peer_open(&peers[0], false, INADDR_LOOPBACK);
	dialog(&peers[0], NULL, "* OK ");
}

static void
test_rubbish(void **state)
{
	char big[8192];

	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	peer_open(&peers[0], false, INADDR_LOOPBACK);
	for (int i = 0; i < 12 && !peers[0].eof; i++) {
		if (send(peers[0].fd, big, sizeof(big) - 1, MSG_NOSIGNAL) < 0)
			break;
		run(5);
		peer_read(&peers[0]);
	}
	assert_true(peers[0].eof);
	run(10);
	assert_int_equal(d->n, 0);
	/* Plain text on the TLS port, and half a record. */
	peer_open(&peers[1], true, INADDR_LOOPBACK);
	peer_send(&peers[1], "a LOGIN x y\r\n");
	run(10);
	peer_read(&peers[1]);
	assert_true(peers[1].eof);
	peer_open(&peers[2], true, INADDR_LOOPBACK);
	peer_send(&peers[2], "\x16\x03\x01\x02");
	run(10);
	assert_int_equal(d->n, 1);
	peer_close(&peers[2]);
	run(10);
	assert_int_equal(d->n, 0);
}

static int stopped;

static void
on_stopped(void *arg)
{
	(void)arg;
	stopped++;
	io_loop_stop(loop);
}

static void
test_stop(void **state)
{
	char text[8];
	int m;

	(void)state;
	auth_add(0, ANSWER_OK);
	m = login(&peers[0]);
	peer_open_tls(&peers[1]);
	imapd_stop(d, on_stopped, NULL);
	run(20);
	assert_int_equal(recv(m, text, sizeof(text), 0), 0);
	close(m);
	auth[0].mailbox = -1;
	run(3000);
	assert_int_equal(stopped, 1);
	peer_read(&peers[0]);
	assert_non_null(strstr(peers[0].text, "* BYE"));
	peer_read(&peers[1]);
	assert_non_null(strstr(peers[1].text, "* BYE"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_login_unread),
		T(test_bindings),
		T(test_authenticate),
		T(test_starttls),
		T(test_refusals),
		T(test_too_many_failures),
		T(test_least_busy),
		T(test_cancel),
		T(test_relay),
		T(test_back_pressure),
		T(test_mailbox_gone),
		T(test_half_close),
		T(test_client_lost),
		T(test_limits),
		T(test_rubbish),
		T(test_stop),
	};
	int r;

	tls_preload();
	fake_keys_setup();
	peer_setup();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	peer_teardown();
	fake_keys_teardown();
	return r;
}
