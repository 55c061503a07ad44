/* SPDX-License-Identifier: ISC */
/*
 * After the login. Client -> mailbox: what the mailbox process does not take at once waits in the
 * mailbox stream's output (IMAPD_TO_MAILBOX), then in the client stream's input (as much), then the
 * client is not read any more. Mailbox -> client: the same with IMAPD_TO_CLIENT. All of these
 * buffers are gone when they are empty.
 */
#include <string.h>

#include "base/log.h"
#include "imapd/imapd.h"

static const char BYE[] = "* BYE Server is closing the session, please connect again\r\n";

/* Moves what fits; pauses `from` while something is left. Returns the bytes moved. */
static size_t
relay_move(struct io_stream *from, struct buf *in, struct io_stream *to)
{
	size_t room = io_stream_out_room(to), n = buf_len(in) < room ? buf_len(in) : room;

	io_stream_write(to, buf_data(in), n);
	buf_drain(in, n);
	if (buf_len(in) > 0)
		io_stream_pause(from, true);
	return n;
}

/* --- client -> mailbox ---------------------------------------------------------------------------
 */

void
relay_client_data(struct client *c, struct buf *in)
{
	/* The session is over for the mailbox process: what comes now is nobody's. */
	if (c->mailbox_shut)
		buf_clear(in);
	else
		c->in += relay_move(c->stream, in, c->mailbox);
}

static void
on_mailbox_drained(void *arg)
{
	struct client *c = arg;

	io_stream_pause(c->stream, false);
}

static void
shut_mailbox(struct client *c)
{
	c->mailbox_shut = true;
	io_stream_shutdown(c->mailbox);
}

/*
 * An orderly end: the mailbox process is told, and its last answers still go out (a script may send
 * all its commands, then close its side).
 */
void
relay_client_end(struct client *c, enum io_end why)
{
	switch (why) {
	case IO_END_EOF:
		shut_mailbox(c);
		io_stream_deadline(c->mailbox, IMAPD_HALF_CLOSED_MS);
		break;
	case IO_END_STALLED:
		client_free(c, "client takes no output");
		break;
	default:
		client_free(c, "connection lost");
		break;
	}
}

/* --- mailbox -> client ---------------------------------------------------------------------------
 */

/* Whether the last lines hold the farewell: LOGOUT's answer comes in one piece. */
static bool
has_bye(const struct buf *in)
{
	enum { TAIL = 512 };
	size_t n = buf_len(in) < TAIL ? buf_len(in) : TAIL;

	return memmem(buf_data(in) + buf_len(in) - n, n, "* BYE", 5) != NULL;
}

static void
on_mailbox_data(void *arg, struct buf *in)
{
	struct client *c = arg;

	c->said_bye = has_bye(in);
	c->out += relay_move(c->mailbox, in, c->stream);
}

void
relay_client_drained(struct client *c)
{
	io_stream_pause(c->mailbox, false);
}

static void
on_mailbox_end(void *arg, enum io_end why)
{
	struct client *c = arg;
	bool stopped = c->d->stopped != NULL;

	if (!c->said_bye) {
		io_stream_write(c->stream, BYE, sizeof(BYE) - 1);
		if (!stopped)
			log_warn(c->id, "event=mailbox-gone end=%d", (int)why);
	}
	client_finish(c, c->said_bye ? "logout" : stopped ? "stopped" : "mailbox process gone");
}

static const struct io_stream_ops mailbox_ops = {
	.on_data = on_mailbox_data, .on_drained = on_mailbox_drained, .on_end = on_mailbox_end
};

/* --- the hand-over -------------------------------------------------------------------------------
 */

static void
send_handover(struct client *c, const struct auth_login *login, struct str tag)
{
	char tls[TLS_DESCRIPTION_MAX];
	struct buf *in = io_stream_in(c->stream), out;
	struct ipc_session_handover m = { .protocol = STR("imap"),
		.login = login->login,
		.tag = tag,
		.session = str_of(c->id),
		.client_address = str_of(c->address),
		.tls = str_of(tls_stream_describe(c->stream, tls)),
		.hidden_capabilities = login->hidden_capabilities,
		.unread = str_from(buf_data(in), buf_len(in)) };

	buf_init(&out, IMAPD_TO_MAILBOX);
	ipc_encode(&out, IPC_session_handover, 0, &m);
	io_stream_write(c->mailbox, buf_data(&out), buf_len(&out));
	buf_free(&out);
	c->in += buf_len(in);
	buf_clear(in);
}

void
relay_start(struct client *c, int fd, const struct auth_login *login, struct str tag)
{
	static const struct io_stream_limits to_mailbox = { IMAPD_TO_MAILBOX, IMAPD_TO_MAILBOX,
		IMAPD_PEER_STALL_MS };
	static const struct io_stream_limits to_client = { IMAPD_TO_MAILBOX, IMAPD_TO_CLIENT,
		IMAPD_STALL_MS };

	c->mailbox = io_stream_new(c->d->loop, fd, &mailbox_ops, &to_mailbox, c);
	io_stream_deadline(c->stream, 0);
	send_handover(c, login, tag);
	io_stream_set_limits(c->stream, &to_client);
}

/* The mailbox process finishes what it was told, then its end brings the farewell. */
void
relay_stop(struct client *c)
{
	shut_mailbox(c);
}
