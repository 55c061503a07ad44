/* SPDX-License-Identifier: ISC */
/* Codecs and channels; for every row of the table the whole set of violations. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "ipc/frame.h"

/* --- a filled message of each kind ---------------------------------------------------------------- */

static char long_text[70000];

static void
fill(enum ipc_type type, union ipc_any *m, size_t part)
{
	memset(m, 0, sizeof(*m));
	switch (type) {
#define IPC_BEGIN(n, ch, f, st, hasfd, o, r) \
	case IPC_##n: { \
		struct ipc_##n *x = &m->n; \
		(void)x;
#define IPC_U8(f) x->f = 0xa5;
#define IPC_U32(f) x->f = 0xdeadbeef;
#define IPC_U64(f) x->f = 0x0123456789abcdefULL;
#define IPC_STR(f, most) x->f = str_from(long_text, (most) / part);
#define IPC_BYTES(f, most) x->f = str_from(long_text, (most) / part);
#define IPC_END(n) \
	break; \
	}
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
	default:
		fail();
	}
}

static void
assert_same(enum ipc_type type, const union ipc_any *a, const union ipc_any *b)
{
	switch (type) {
#define IPC_BEGIN(n, ch, f, st, hasfd, o, r) \
	case IPC_##n: { \
		const struct ipc_##n *x = &a->n, *y = &b->n; \
		(void)x; \
		(void)y;
#define IPC_U8(f) assert_int_equal(x->f, y->f);
#define IPC_U32(f) assert_int_equal(x->f, y->f);
#define IPC_U64(f) assert_true(x->f == y->f);
#define IPC_STR(f, most) assert_true(str_eq(x->f, y->f));
#define IPC_BYTES(f, most) assert_true(str_eq(x->f, y->f));
#define IPC_END(n) \
	break; \
	}
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
	default:
		fail();
	}
}

static void
test_round_trip(void **state)
{
	(void)state;
	for (enum ipc_type t = IPC_none + 1; t < IPC__MAX; t++) {
		for (size_t part = 1; part <= 3; part++) {
			union ipc_any m, back;
			struct buf b;
			struct str payload;

			buf_init(&b, 1 << 20);
			fill(t, &m, part);
			assert_int_equal(ipc_encode(&b, t, 7, &m), 0);
			payload = str_from(buf_data(&b) + IPC_HEADER, buf_len(&b) - IPC_HEADER);
			if (part == 1)
				assert_int_equal(payload.n, ipc_row(t)->most);
			memset(&back, 0xff, sizeof(back));
			assert_int_equal(ipc_decode(t, payload, &back), 0);
			assert_same(t, &m, &back);
			buf_free(&b);
		}
	}
}

/* Each cut and each surplus of each row's payload is refused. */
static void
test_cut_and_trailing(void **state)
{
	(void)state;
	for (enum ipc_type t = IPC_none + 1; t < IPC__MAX; t++) {
		union ipc_any m, back;
		struct buf b;
		size_t n;

		buf_init(&b, 1 << 20);
		fill(t, &m, 50);
		assert_int_equal(ipc_encode(&b, t, 7, &m), 0);
		n = buf_len(&b) - IPC_HEADER;
		for (size_t cut = 0; cut < n; cut++)
			assert_true(
			    ipc_decode(t, str_from(buf_data(&b) + IPC_HEADER, cut), &back) < 0);
		buf_putc(&b, 0);
		assert_int_equal(ipc_decode(t, str_from(buf_data(&b) + IPC_HEADER, n + 1), &back),
		    IPC_ERR_TRAILING);
		buf_free(&b);
	}
}

static void
test_reply_rows_fit(void **state)
{
	(void)state;
	for (enum ipc_type t = IPC_none + 1; t < IPC__MAX; t++) {
		const struct ipc_row *row = ipc_row(t);

		assert_non_null(row->name);
		assert_true(row->states != 0);
		assert_true(row->most < (256 << 10));
		if (row->reply == IPC_none)
			continue;
		assert_int_equal(ipc_row(row->reply)->channel, row->channel);
		assert_int_not_equal(ipc_row(row->reply)->from, row->from);
	}
}

/* --- channels ------------------------------------------------------------------------------------ */

struct end {
	struct io_loop *loop;
	struct ipc_channel *ch;
	unsigned state, frames, closed;
	int fd;
};

static void
take(struct end *e, int fd)
{
	e->frames++;
	if (e->fd >= 0)
		close(e->fd);
	e->fd = fd;
	io_loop_stop(e->loop);
}

#define IPC_BEGIN(n, chan, f, st, hasfd, o, r) \
	static void on_##n( \
	    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_##n *m, int fd) \
	{ \
		(void)ch; \
		(void)m; \
		assert_int_equal(id, 42); \
		take(arg, fd); \
	}
#include "ipc/ipc_noop_fields.h"
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"

static const union ipc_handler all_handlers[IPC__MAX] = {
#define IPC_BEGIN(n, chan, f, st, hasfd, o, r) IPC_ON(n, on_##n),
#include "ipc/ipc_noop_fields.h"
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
};
static const union ipc_handler no_handlers[IPC__MAX];

static unsigned
end_state(void *arg, uint64_t id)
{
	(void)id;
	return ((struct end *)arg)->state;
}

static void
end_closed(void *arg, struct ipc_channel *ch)
{
	struct end *e = arg;

	(void)ch;
	e->closed++;
	io_loop_stop(e->loop);
}

static const struct ipc_ops all_ops = { all_handlers, end_state, end_closed, NULL };
static const struct ipc_ops deaf_ops = { no_handlers, end_state, end_closed, NULL };

enum trick {
	HONEST,
	WRONG_STATE,
	TWICE,
	TOO_LONG,
	TRAILING,
	FD_FLIPPED,
	FD_ABSENT,
	FD_SURPLUS,
	WRONG_END,
	WRONG_CHANNEL,
	NOBODY,
	UNKNOWN_TYPE,
};

static void
send_bytes(int sock, const struct buf *b, int fd)
{
	size_t done = 0;

	while (done < buf_len(b)) {
		ssize_t n = ipc_send_fd(
		    sock, buf_data(b) + done, buf_len(b) - done, done == 0 ? fd : -1, 0);

		assert_true(n > 0);
		done += (size_t)n;
	}
}

/* Plays one trick on a receiver of row t; returns whether a violation was seen. */
static bool
play(enum ipc_type t, enum trick trick)
{
	const struct ipc_row *row = ipc_row(t);
	struct end e = { .loop = io_loop_new(), .fd = -1, .state = row->states };
	enum ipc_channel_kind kind = row->channel;
	enum ipc_side side = !row->from;
	union ipc_any m;
	struct buf b;
	uint8_t *p;
	int sv[2], give = -1;
	unsigned want = 1;
	bool violated;

	buf_init(&b, 1 << 20);
	fill(t, &m, 100);
	ipc_encode(&b, t, 42, &m);
	p = b.data + b.off;
	if (row->fd)
		give = open("/dev/null", O_RDONLY);
	switch (trick) {
	case WRONG_STATE:
		e.state = (unsigned)~row->states & IPC_ANY;
		break;
	case TWICE:
		ipc_encode(&b, t, 42, &m);
		break;
	case TOO_LONG:
		memcpy(p, &(uint32_t){ row->most + 1 }, 4);
		break;
	case TRAILING:
		memcpy(p, &(uint32_t){ (uint32_t)(buf_len(&b) - IPC_HEADER + 1) }, 4);
		buf_putc(&b, 0);
		break;
	case FD_FLIPPED:
		p[6] ^= 1;
		break;
	case FD_ABSENT:
		close(give);
		give = -1;
		break;
	case FD_SURPLUS:
		give = open("/dev/null", O_RDONLY);
		break;
	case WRONG_END:
		side = row->from;
		break;
	case WRONG_CHANNEL:
		kind = (kind + 1) % IPC_CH__MAX;
		break;
	case UNKNOWN_TYPE:
		p[4] = p[5] = 0xff;
		break;
	default:
		break;
	}
	assert_int_equal(ipc_pair(sv), 0);
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 }, sizeof(int));
	e.ch =
	    ipc_channel_new(e.loop, sv[0], kind, side, trick == NOBODY ? &deaf_ops : &all_ops, &e);
	send_bytes(sv[1], &b, give);
	if (give >= 0)
		close(give);
	close(sv[1]);
	/* The end of the stream also comes as a close: count frames to tell them apart. */
	if (trick == TWICE)
		want = row->fd || row->once ? 1 : 2;
	while (!e.closed)
		io_loop_run(e.loop);
	violated = e.frames < (trick == TWICE ? 2u : 1u) || trick == FD_SURPLUS;
	if (trick == HONEST)
		assert_int_equal(e.frames, 1);
	if (trick == TWICE && !row->fd)
		assert_int_equal(e.frames, want);
	if (row->fd && e.frames > 0)
		assert_true(e.fd >= 0 && fcntl(e.fd, F_GETFD) & FD_CLOEXEC);
	if (e.fd >= 0)
		close(e.fd);
	ipc_channel_free(&e.ch);
	io_loop_free(&e.loop);
	buf_free(&b);
	return violated;
}

static void
test_every_row_against_every_trick(void **state)
{
	int quiet = open("/dev/null", O_WRONLY), err = dup(2);

	(void)state;
	dup2(quiet, 2); /* each trick logs an ipc-violation */
	for (enum ipc_type t = IPC_none + 1; t < IPC__MAX; t++) {
		const struct ipc_row *row = ipc_row(t);

		assert_false(play(t, HONEST));
		if (row->states != IPC_ANY)
			assert_true(play(t, WRONG_STATE));
		if (row->once)
			assert_true(play(t, TWICE));
		assert_true(play(t, TOO_LONG));
		assert_true(play(t, TRAILING));
		assert_true(play(t, FD_FLIPPED));
		if (row->fd)
			assert_true(play(t, FD_ABSENT));
		else
			assert_true(play(t, FD_SURPLUS));
		assert_true(play(t, WRONG_END));
		assert_true(play(t, WRONG_CHANNEL));
		assert_true(play(t, NOBODY));
		assert_true(play(t, UNKNOWN_TYPE));
	}
	dup2(err, 2);
	close(err);
	close(quiet);
}

/* --- descriptors keep their order among many frames ---------------------------------------------- */

struct order {
	struct io_loop *loop;
	unsigned frames, fds;
	off_t last;
};

static void
on_ordered_fd(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_opened *m, int fd)
{
	struct order *o = arg;
	off_t size = lseek(fd, 0, SEEK_CUR);

	(void)ch;
	(void)m;
	assert_int_equal(size, (off_t)id);
	close(fd);
	o->fds++;
	if (++o->frames == 200)
		io_loop_stop(o->loop);
}

static void
on_ordered(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_done *m, int fd)
{
	struct order *o = arg;

	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	if (++o->frames == 200)
		io_loop_stop(o->loop);
}

static void
test_descriptors_in_order(void **state)
{
	static const union ipc_handler h[IPC__MAX] = {
		IPC_ON(mailbox_opened, on_ordered_fd),
		IPC_ON(done, on_ordered),
	};
	static const struct ipc_ops ops = { .handlers = h };
	struct order o = { .loop = io_loop_new() };
	struct ipc_channel *a, *b;
	char path[] = "/tmp/ipc_test.XXXXXX";
	int sv[2], file = mkstemp(path);

	(void)state;
	unlink(path);
	assert_int_equal(ftruncate(file, 1000), 0);
	assert_int_equal(ipc_pair(sv), 0);
	a = ipc_channel_new(o.loop, sv[0], IPC_CH_master, IPC_SERVER, &ops, &o);
	b = ipc_channel_new(o.loop, sv[1], IPC_CH_master, IPC_CLIENT, &ops, &o);
	for (unsigned i = 0; i < 200; i++) {
		if (i % 3 == 0) {
			ipc_send_done(a, i, &(struct ipc_done){ 0 });
		} else {
			char proc[64];
			int fd;

			/* A file of its own offset each. */
			snprintf(proc, sizeof(proc), "/proc/self/fd/%d", file);
			fd = open(proc, O_RDONLY);
			lseek(fd, i, SEEK_SET);
			ipc_send_mailbox_opened(a, i, &(struct ipc_mailbox_opened){ 0 }, fd);
		}
	}
	io_loop_run(o.loop);
	assert_int_equal(o.frames, 200);
	assert_int_equal(o.fds, 133);
	ipc_channel_free(&a);
	ipc_channel_free(&b);
	io_loop_free(&o.loop);
	close(file);
}

/* --- no room for a descriptor ------------------------------------------------------------------- */

static void
on_found(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_opened *m, int fd)
{
	struct order *o = arg;

	(void)ch;
	(void)m;
	assert_int_equal(id, 2);
	assert_true(fd >= 0);
	close(fd);
	o->fds++;
	io_loop_stop(o->loop);
}

static void
on_told(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_done *m, int fd)
{
	struct order *o = arg;

	(void)ch, (void)id, (void)m, (void)fd;
	o->frames++;
	io_loop_stop(o->loop);
}

static void
on_lost_channel(void *arg, struct ipc_channel *ch)
{
	(void)arg, (void)ch;
	fail_msg("the channel was closed");
}

/* A descriptor for which the receiver has no room costs that message, not the channel. */
static void
test_descriptor_lost(void **state)
{
	static const union ipc_handler h[IPC__MAX] = {
		IPC_ON(mailbox_opened, on_found),
		IPC_ON(done, on_told),
	};
	static const struct ipc_ops ops = { .handlers = h, .on_close = on_lost_channel };
	struct order o = { .loop = io_loop_new() };
	struct ipc_channel *a, *b;
	struct rlimit full, old;
	int sv[2], probe;

	(void)state;
	assert_int_equal(ipc_pair(sv), 0);
	a = ipc_channel_new(o.loop, sv[0], IPC_CH_master, IPC_SERVER, &ops, &o);
	b = ipc_channel_new(o.loop, sv[1], IPC_CH_master, IPC_CLIENT, &ops, &o);
	ipc_send_mailbox_opened(
	    a, 1, &(struct ipc_mailbox_opened){ 0 }, open("/dev/null", O_RDONLY));
	ipc_flush_all();
	ipc_send_done(a, 1, &(struct ipc_done){ 0 });
	ipc_flush_all();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	probe = dup(sv[0]);
	close(probe);
	full = (struct rlimit){ .rlim_cur = (rlim_t)probe, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	io_loop_run(o.loop);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(o.frames, 1);
	assert_int_equal(o.fds, 0);
	ipc_send_mailbox_opened(
	    a, 2, &(struct ipc_mailbox_opened){ 0 }, open("/dev/null", O_RDONLY));
	io_loop_run(o.loop);
	assert_int_equal(o.fds, 1);
	ipc_channel_free(&a);
	ipc_channel_free(&b);
	io_loop_free(&o.loop);
}

/* --- synchronous calls ---------------------------------------------------------------------------- */

static void
test_call(void **state)
{
	struct buf storage, answer;
	enum ipc_type got;
	union ipc_any reply;
	int sv[2], fd;

	(void)state;
	buf_init(&storage, 1 << 20);
	buf_init(&answer, 1 << 20);
	assert_int_equal(ipc_pair(sv), 0);
	ipc_encode(&answer, IPC_key_signature, 9,
	    &(struct ipc_key_signature){ .result = 3, .signature = STR("abc") });
	send_bytes(sv[1], &answer, -1);
	assert_int_equal(ipc_call(sv[0], IPC_CH_keys, IPC_key_sign, 9,
			     &(struct ipc_key_sign){ .key = 1, .digest = STR("d") }, &storage, &got,
			     &reply, &fd, 1000),
	    0);
	assert_int_equal(got, IPC_key_signature);
	assert_true(str_eq(reply.key_signature.signature, STR("abc")));
	/* Nobody answers: bounded. */
	assert_int_equal(ipc_call(sv[0], IPC_CH_keys, IPC_key_sign, 10,
			     &(struct ipc_key_sign){ .key = 1 }, &storage, &got, &reply, &fd, 20),
	    -2);
	/* An answer to something else is a violation. */
	buf_clear(&answer);
	ipc_encode(&answer, IPC_key_signature, 77, &(struct ipc_key_signature){ 0 });
	send_bytes(sv[1], &answer, -1);
	assert_int_equal(ipc_call(sv[0], IPC_CH_keys, IPC_key_sign, 11,
			     &(struct ipc_key_sign){ .key = 1 }, &storage, &got, &reply, &fd, 1000),
	    -1);
	close(sv[1]);
	assert_int_equal(ipc_call(sv[0], IPC_CH_keys, IPC_key_sign, 12,
			     &(struct ipc_key_sign){ .key = 1 }, &storage, &got, &reply, &fd, 1000),
	    -1);
	close(sv[0]);
	buf_free(&storage);
	buf_free(&answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_and_trailing),
		cmocka_unit_test(test_reply_rows_fit),
		cmocka_unit_test(test_every_row_against_every_trick),
		cmocka_unit_test(test_descriptors_in_order),
		cmocka_unit_test(test_descriptor_lost),
		cmocka_unit_test(test_call),
	};

	memset(long_text, 'x', sizeof(long_text));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
