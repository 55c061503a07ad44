/* SPDX-License-Identifier: ISC */
/*
 * A session against the store in memory, while another one changes the folder: the byte 0xff in the
 * input stands for something that happens meanwhile. Oracle: the framing of the answers is never
 * broken; the same input byte by byte gives the same answers.
 */
#include <assert.h>
#include <stdint.h>

#include "imap/limits.h"
#include "imap/memory_backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char mail[] = "From: A <a@b>\r\nSubject: =?utf-8?q?x=C3=A4?=\r\n"
			   "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			   "--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
			   "Subject: in\r\n\r\ntwo\r\n--b--\r\n";

static void
no_wake(void *arg)
{
	(void)arg;
}

static void
drain(struct imap_session *s, struct buf *all)
{
	struct buf *out = imap_session_out(s);

	assert(out->len <= IMAP_OUT_MAX);
	buf_put(all, buf_data(out), out->len);
	imap_session_sent(s, out->len);
}

static enum imap_run
go(struct imap_session *s, struct memory *mem, struct buf *in, struct buf *all)
{
	enum imap_run why;

	do {
		why = imap_session_run(s, in);
		drain(s, all);
		if (why == IMAP_RUN_BACKEND)
			memory_sync(mem);
	} while (why != IMAP_RUN_INPUT && why != IMAP_RUN_CLOSE);
	return why;
}

static void
meanwhile(struct memory *mem, unsigned n)
{
	struct imap_folder *f = memory_folder(mem, STR("INBOX"));
	uint32_t uid = f->n > 0 ? f->msg[n % f->n].m.uid : 0;

	switch (n % 4) {
	case 0:
		if (mem->size < MEMORY_QUOTA / 2)
			memory_deliver(mem, "INBOX", str_of(mail), n % 32);
		break;
	case 1:
	case 2:
		if (uid > 0)
			memory_take_out(mem, f, &uid, 1);
		break;
	case 3:
		if (uid > 0)
			memory_store(mem, NULL, 0, f, &uid, 1, IMAP_STORE_REPLACE, n % 16);
		break;
	}
}

/* Lines end with CRLF, literals are as long as they say, nothing is left over. */
static void
framing_check(const struct buf *all, bool closed)
{
	struct str rest = str_from(buf_data(all), all->len);

	while (rest.n > 0) {
		ptrdiff_t lf = str_chr(rest, '\n');
		size_t line, digits;
		uint64_t literal = 0;

		if (lf < 0 && closed)
			return;
		assert(lf > 0 && rest.p[lf - 1] == '\r');
		line = (size_t)lf - 1;
		for (digits = 0;
		     digits < line && rest.p[line - 1] == '}' && rest.p[line - 2 - digits] >= '0' &&
		     rest.p[line - 2 - digits] <= '9';
		     digits++)
			;
		if (digits > 0 && rest.p[line - 2 - digits] == '{')
			assert(str_u64(
			    str_from(rest.p + line - 1 - digits, digits), UINT64_MAX, &literal));
		if (literal > rest.n - (size_t)lf - 1) {
			assert(closed);
			return;
		}
		rest = str_from(rest.p + lf + 1 + literal, rest.n - (size_t)lf - 1 - literal);
	}
}

static void
play(const uint8_t *data, size_t size, bool bytewise, struct buf *all)
{
	enum imap_run why = IMAP_RUN_INPUT;
	struct imap_session_config config = { 0 };
	struct imap_session *s;
	struct memory mem;
	struct buf in;

	memory_init(&mem);
	mem.wait = size % 2;
	for (int i = 0; i < 4; i++)
		memory_deliver(&mem, "INBOX", str_of(mail), i == 1 ? IMAP_DELETED : 0);
	config.ops = &memory_ops;
	config.backend = &mem;
	config.wake = no_wake;
	s = imap_session_new(&config);
	buf_init(&in, size + 32);
	buf_puts(&in, "x SELECT INBOX\r\n");
	for (size_t i = 0; i < size && why != IMAP_RUN_CLOSE; i++) {
		if (data[i] != 0xff) {
			buf_putc(&in, data[i]);
			if (!bytewise)
				continue;
		}
		why = go(s, &mem, &in, all);
		if (data[i] == 0xff && why != IMAP_RUN_CLOSE) {
			meanwhile(&mem, (unsigned)i + (unsigned)size);
			why = go(s, &mem, &in, all);
		}
	}
	if (why != IMAP_RUN_CLOSE)
		why = go(s, &mem, &in, all);
	framing_check(all, why == IMAP_RUN_CLOSE);
	imap_session_free(&s);
	buf_free(&in);
	memory_free(&mem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one, two;

	if (size > 20000)
		return 0;
	buf_init(&one, 1 << 28);
	buf_init(&two, 1 << 28);
	play(data, size, false, &one);
	play(data, size, true, &two);
	assert(str_eq(str_from(buf_data(&one), one.len), str_from(buf_data(&two), two.len)));
	buf_free(&one);
	buf_free(&two);
	return 0;
}
