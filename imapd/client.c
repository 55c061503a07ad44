/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "auth_client/auth_client.h"
#include "imapd/imapd.h"

/* --- who ---------------------------------------------------------------------------------------
 */

/* The address as text, and what connections are counted by: an IPv4 address or an IPv6 /64. */
static uint64_t
address_of(const struct sockaddr *sa, char text[IMAPD_ADDRESS_MAX])
{
	struct sockaddr_in6 six;
	struct in_addr four;
	uint64_t key = 0;

	if (sa->sa_family == AF_INET6) {
		memcpy(&six, sa, sizeof(six));
		if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
			inet_ntop(AF_INET6, &six.sin6_addr, text, IMAPD_ADDRESS_MAX);
			for (int i = 0; i < 8; i++)
				key = key << 8 | six.sin6_addr.s6_addr[i];
			return key;
		}
		memcpy(&four, six.sin6_addr.s6_addr + 12, sizeof(four));
	} else {
		struct sockaddr_in in = { 0 };

		if (sa->sa_family == AF_INET)
			memcpy(&in, sa, sizeof(in));
		four = in.sin_addr;
	}
	inet_ntop(AF_INET, &four, text, IMAPD_ADDRESS_MAX);
	/* No /64 that is in use begins so. */
	return UINT64_C(0xffffffff00000000) | ntohl(four.s_addr);
}

static void
make_id(struct imapd *d, char id[IMAPD_ID_MAX])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(id, IMAPD_ID_MAX, "i%u-%08llx-%04llx", d->instance % 10,
	    (unsigned long long)ts.tv_sec, (unsigned long long)(++d->serial & 0xffffff));
}

static size_t
count_address(struct imapd *d, uint64_t key, int change)
{
	size_t n = (size_t)(uintptr_t)map_get(d->per_address, key) + (size_t)change;

	if (n == 0)
		map_del(d->per_address, key);
	else
		map_put(d->per_address, key, (void *)(uintptr_t)n);
	return n;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void
client_forget(struct client *c, const char *why)
{
	struct imapd *d = c->d;

	log_info(c->id,
	    "event=disconnect client=%s reason=\"%s\" login=%s in=%llu out=%llu ms=%llu",
	    c->address, why, c->prelogin == NULL ? "yes" : "no", (unsigned long long)c->in,
	    (unsigned long long)c->out, (unsigned long long)(io_now_ms(d->loop) - c->started_ms));
	auth_cancel(&c->exchange);
	imap_prelogin_free(&c->prelogin);
	TAILQ_REMOVE(&d->clients, c, entry);
	count_address(d, c->address_key, -1);
	d->n--;
	if (d->n == 0 && io_timer_pending(d->stop))
		io_timer_set(d->stop, IMAPD_STOP_MS / 10);
	free(c);
}

void
client_free(struct client *c, const char *why)
{
	io_stream_free(&c->stream);
	/* What the client said before it vanished still counts. */
	io_stream_finish(&c->mailbox);
	client_forget(c, why);
}

void
client_finish(struct client *c, const char *why)
{
	io_stream_finish(&c->stream);
	io_stream_finish(&c->mailbox);
	client_forget(c, why);
}

static void
send_out(struct client *c, struct buf *out)
{
	if (buf_len(out) > 0)
		io_stream_write(c->stream, buf_data(out), buf_len(out));
	buf_free(out);
}

static void
client_bye(struct client *c, const char *text, const char *why)
{
	struct buf out;

	buf_init(&out, IMAP_PRELOGIN_OUT_MAX);
	imap_prelogin_bye(c->prelogin, text, &out);
	send_out(c, &out);
	client_finish(c, why);
}

void
client_stop(struct client *c)
{
	if (c->prelogin == NULL)
		relay_stop(c);
	else if (!c->greeted)
		client_free(c, "stopped");
	else
		client_bye(c, "Server is stopping", "stopped");
}

/* --- before the login ---------------------------------------------------------------------------
 */

static const struct auth_client_ops auth_ops;

static void
start_exchange(struct client *c)
{
	struct imap_pre_auth auth;
	struct buf out;

	imap_prelogin_auth(c->prelogin, &auth);
	snprintf(
	    c->mechanism, sizeof(c->mechanism), "%.*s", (int)auth.mechanism.n, auth.mechanism.p);
	c->exchange = auth_start(c->d->auth, &auth_ops, c,
	    &(struct auth_request){ .service = STR("imap"),
		.mechanism = auth.mechanism,
		.client_address = c->address,
		.stream = c->stream,
		.has_initial = auth.has_initial,
		.initial = auth.data });
	if (c->exchange != NULL)
		return;
	buf_init(&out, IMAP_PRELOGIN_OUT_MAX);
	imap_prelogin_auth_refused(c->prelogin, IMAP_PRE_UNAVAILABLE, &out);
	send_out(c, &out);
	log_warn(c->id, "event=login-failed client=%s reason=\"no auth process\"", c->address);
}

static void
continue_exchange(struct client *c)
{
	struct imap_pre_auth auth;

	imap_prelogin_auth(c->prelogin, &auth);
	if (c->exchange != NULL)
		auth_continue(c->exchange, auth.data);
}

/* False: the client is gone. */
static bool
start_tls(struct client *c)
{
	enum tls_start r = io_stream_starttls(c->stream, c->d->tls, TLS_IMAP);

	if (r == TLS_START_OK)
		return true;
	client_free(c, r == TLS_START_INJECTED ? "input behind STARTTLS" : "TLS unavailable");
	return false;
}

/* Lets the engine work on what is there until it waits for something. */
static void
prelogin_run(struct client *c)
{
	for (;;) {
		enum imap_pre_event e;
		struct buf out;

		/* A client that does not read its replies gets no more. */
		if (io_stream_out_pending(c->stream) > IMAP_PRELOGIN_OUT_MAX)
			return;
		buf_init(&out, IMAP_PRELOGIN_OUT_MAX);
		e = imap_prelogin_run(c->prelogin, io_stream_in(c->stream), &out);
		send_out(c, &out);
		switch (e) {
		case IMAP_PRE_INPUT:
		case IMAP_PRE_WAIT:
			return;
		case IMAP_PRE_OUTPUT:
			if (io_stream_out_pending(c->stream) > 0)
				return;
			break;
		case IMAP_PRE_STARTTLS:
			start_tls(c);
			return;
		case IMAP_PRE_AUTH_START:
			start_exchange(c);
			break;
		case IMAP_PRE_AUTH_CONTINUE:
			continue_exchange(c);
			break;
		case IMAP_PRE_AUTH_CANCEL:
			auth_cancel(&c->exchange);
			break;
		case IMAP_PRE_CLOSE:
			client_finish(c, "closed");
			return;
		}
	}
}

/* --- answers of auth ----------------------------------------------------------------------------
 */

static void
on_challenge(void *arg, struct str challenge)
{
	struct client *c = arg;
	struct buf out;

	buf_init(&out, IMAP_PRELOGIN_OUT_MAX);
	imap_prelogin_auth_challenge(c->prelogin, challenge, &out);
	send_out(c, &out);
	prelogin_run(c);
}

static void
on_refused(void *arg, enum ipc_result result, struct str login)
{
	struct client *c = arg;
	enum imap_pre_refusal why =
	    result == IPC_NO || result == IPC_DENIED || result == IPC_INVALID
		? IMAP_PRE_BAD_CREDENTIALS
	    : result == IPC_SUSPENDED ? IMAP_PRE_DISABLED
				      : IMAP_PRE_UNAVAILABLE;
	struct buf out;

	c->exchange = NULL;
	log_info(c->id, "event=login-failed client=%s login=\"%s\" mechanism=%s reason=%s",
	    c->address, LOGS(login), c->mechanism,
	    why == IMAP_PRE_BAD_CREDENTIALS ? "credentials"
	    : why == IMAP_PRE_DISABLED      ? "suspended"
					    : "unavailable");
	buf_init(&out, IMAP_PRELOGIN_OUT_MAX);
	imap_prelogin_auth_refused(c->prelogin, why, &out);
	send_out(c, &out);
	if (why == IMAP_PRE_BAD_CREDENTIALS &&
	    ++c->failures >= settings_u64(c->d->settings, SET_imapd_max_login_failures)) {
		client_bye(c, "Too many failed logins", "too many failed logins");
		return;
	}
	prelogin_run(c);
}

static void
on_ok(void *arg, const struct auth_login *login, int fd)
{
	struct client *c = arg;
	char tls[TLS_DESCRIPTION_MAX], tag[IMAP_TAG_MAX + 1];
	struct str t = imap_prelogin_auth_ok(c->prelogin);
	size_t n = t.n < IMAP_TAG_MAX ? t.n : IMAP_TAG_MAX;

	c->exchange = NULL;
	log_info(c->id, "event=login client=%s login=\"%s\" account=%u mechanism=%s tls=\"%s\"",
	    c->address, LOGS(login->login), login->account, c->mechanism,
	    tls_stream_describe(c->stream, tls));
	memcpy(tag, t.p, n);
	imap_prelogin_free(&c->prelogin);
	relay_start(c, fd, login, str_from(tag, n));
}

static const struct auth_client_ops auth_ops = {
	.challenge = on_challenge,
	.refused = on_refused,
	.ok = on_ok,
};

/* --- the client's stream ------------------------------------------------------------------------
 */

static void
greet(struct client *c)
{
	struct buf out;

	c->greeted = true;
	buf_init(&out, IMAP_PRELOGIN_OUT_MAX);
	imap_prelogin_greet(c->prelogin, &out);
	send_out(c, &out);
}

static void
on_data(void *arg, struct buf *in)
{
	struct client *c = arg;

	if (c->prelogin == NULL)
		relay_client_data(c, in);
	else
		prelogin_run(c);
}

static void
on_drained(void *arg)
{
	struct client *c = arg;

	if (c->prelogin == NULL)
		relay_client_drained(c);
	else if (c->greeted)
		prelogin_run(c);
}

static void
on_tls(void *arg)
{
	struct client *c = arg;
	struct tls_bindings b;

	tls_stream_bindings(c->stream, &b);
	if (b.exporter.n + b.unique.n + b.end_point.n > 0)
		imap_prelogin_bound(c->prelogin);
	if (c->implicit_tls) {
		greet(c);
	} else {
		imap_prelogin_tls_on(c->prelogin);
		prelogin_run(c);
	}
}

static void
on_end(void *arg, enum io_end why)
{
	static const char *const names[] = { [IO_END_EOF] = "closed by client",
		[IO_END_ERROR] = "connection lost",
		[IO_END_TIMEOUT] = "login timeout",
		[IO_END_STALLED] = "client takes no output" };
	struct client *c = arg;
	const char *error = tls_stream_error(c->stream);

	if (c->prelogin == NULL)
		relay_client_end(c, why);
	else if (why == IO_END_TIMEOUT && c->greeted)
		client_bye(c, "Login timeout", names[why]);
	else
		client_free(c, why == IO_END_ERROR && *error != '\0' ? error : names[why]);
}

static const struct io_stream_ops stream_ops = {
	.on_data = on_data, .on_drained = on_drained, .on_end = on_end, .on_tls = on_tls
};

/* --- the beginning ------------------------------------------------------------------------------
 */

static void
set_keepalive(int fd)
{
	int one = 1, idle = IMAPD_KEEPALIVE_S;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

/* Says no in one try and closes. */
static void
turn_away(int fd, bool implicit_tls, const char *address, const char *why)
{
	static const char text[] = "* BYE [UNAVAILABLE] Too many connections\r\n";

	if (!implicit_tls && send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		why = "too many connections, lost";
	close(fd);
	log_info("", "event=refused client=%s reason=\"%s\"", address, why);
}

static const char *
over_limit(struct imapd *d, uint64_t key)
{
	if (d->stopped != NULL)
		return "stopping";
	if (d->n >= settings_u64(d->settings, SET_imapd_max_connections))
		return "too many connections";
	if ((size_t)(uintptr_t)map_get(d->per_address, key) >=
	    settings_u64(d->settings, SET_imapd_max_connections_per_address))
		return "too many connections of this address";
	return NULL;
}

void
client_new(struct imapd *d, bool implicit_tls, int fd, const struct sockaddr *sa)
{
	static const struct io_stream_limits limits = { IMAPD_STRANGER_IN, IMAPD_TO_CLIENT,
		IMAPD_STALL_MS };
	char address[IMAPD_ADDRESS_MAX] = "";
	uint64_t key = address_of(sa, address);
	const char *why = over_limit(d, key);
	struct client *c;

	if (why != NULL) {
		turn_away(fd, implicit_tls, address, why);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->d = d;
	c->implicit_tls = implicit_tls;
	c->address_key = key;
	memcpy(c->address, address, sizeof(address));
	c->started_ms = io_now_ms(d->loop);
	make_id(d, c->id);
	count_address(d, key, 1);
	d->n++;
	TAILQ_INSERT_TAIL(&d->clients, c, entry);
	set_keepalive(fd);
	c->prelogin = imap_prelogin_new(implicit_tls, tls_server_ready(d->tls));
	c->stream = io_stream_new(d->loop, fd, &stream_ops, &limits, c);
	io_stream_deadline(c->stream, settings_u64(d->settings, SET_imapd_login_timeout) * 1000);
	if (implicit_tls)
		start_tls(c);
	else
		greet(c);
}
