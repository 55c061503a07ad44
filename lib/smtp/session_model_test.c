/* SPDX-License-Identifier: ISC */
/* All sequences of commands against a model. */
#include "smtp/test_session.h"

enum action {
	A_EHLO,
	A_HELO,
	A_STARTTLS,
	A_MAIL,
	A_MAIL_BAD,
	A_RCPT,
	A_RCPT_UNKNOWN,
	A_DATA,
	A_DATA_BIG,
	A_DATA_BARE,
	A_CHUNK,
	A_CHUNK_LAST,
	A_RSET,
	A_VRFY,
	A_NOOP,
	A_QUIT,
	A__COUNT
};

static const char *const action_text[A__COUNT] = {
	[A_EHLO] = "EHLO c.test\r\n",
	[A_HELO] = "HELO c.test\r\n",
	[A_STARTTLS] = "STARTTLS\r\n",
	[A_MAIL] = "MAIL FROM:<a@b>\r\n",
	[A_MAIL_BAD] = "MAIL FROM:<a b>\r\n",
	[A_RCPT] = "RCPT TO:<u@b>\r\n",
	[A_RCPT_UNKNOWN] = "RCPT TO:<no@b>\r\n",
	[A_DATA] = "DATA\r\n",
	[A_DATA_BIG] = "DATA\r\n",
	[A_DATA_BARE] = "DATA\r\n",
	[A_CHUNK] = "BDAT 3\r\na\r\n",
	[A_CHUNK_LAST] = "BDAT 3 LAST\r\na\r\n",
	[A_RSET] = "RSET\r\n",
	[A_VRFY] = "VRFY x\r\n",
	[A_NOOP] = "NOOP\r\n",
	[A_QUIT] = "QUIT\r\n",
};

/* The reference: what a session should be in, said in the shortest way. */
struct model {
	bool hello, tls, mail, chunk, closed;
	unsigned rcpts, accepted;
};

static int
model_data(struct model *m, int verdict)
{
	if (!m->mail || m->chunk)
		return 503;
	if (m->rcpts == 0)
		return 554;
	m->mail = false;
	m->accepted += verdict == 250;
	return verdict;
}

static int
model_chunk(struct model *m, bool last)
{
	if (!m->mail)
		return 503;
	if (m->rcpts == 0)
		return 554;
	m->chunk = true;
	if (last) {
		m->mail = false;
		m->accepted++;
	}
	return 250;
}

static int
model_step(struct model *m, enum action a)
{
	if (m->closed)
		return 0;
	switch (a) {
	case A_EHLO:
	case A_HELO:
		m->hello = true;
		m->mail = false;
		return 250;
	case A_STARTTLS:
		if (m->tls || m->mail)
			return 503;
		m->tls = true;
		m->hello = false;
		return 220;
	case A_MAIL:
	case A_MAIL_BAD:
		if (!m->hello || m->mail)
			return 503;
		if (a == A_MAIL_BAD)
			return 501;
		m->mail = true;
		m->chunk = false;
		m->rcpts = 0;
		return 250;
	case A_RCPT:
	case A_RCPT_UNKNOWN:
		if (!m->mail || m->chunk)
			return 503;
		if (a == A_RCPT_UNKNOWN)
			return 550;
		m->rcpts++;
		return 250;
	case A_DATA:
		return model_data(m, 250);
	case A_DATA_BIG:
		return model_data(m, 552);
	case A_DATA_BARE:
		return model_data(m, 550);
	case A_CHUNK:
	case A_CHUNK_LAST:
		return model_chunk(m, a == A_CHUNK_LAST);
	case A_RSET:
		m->mail = false;
		return 250;
	case A_VRFY:
		return 252;
	case A_NOOP:
		return 250;
	case A_QUIT:
		m->closed = true;
		return 221;
	case A__COUNT:
		break;
	}
	return -1;
}

static int
real_step(struct harness *h, enum action a)
{
	static char big[MAX_SIZE + 64];
	int code = code_of(h, action_text[a]);

	if (a == A_STARTTLS && code == 220)
		smtp_session_tls_started(h->s, 0);
	if (code != 354)
		return code;
	if (a == A_DATA_BIG) {
		memset(big, 'x', MAX_SIZE + 1);
		memcpy(big + MAX_SIZE + 1, "\r\n.\r\n", 6);
		return code_of(h, big);
	}
	return code_of(h, a == A_DATA_BARE ? "a\nb\r\n.\r\n" : "a\r\n.\r\n");
}

static void
run_sequence(const enum action *first, size_t first_n, unsigned number, size_t length)
{
	struct model m = { 0 };
	struct harness h;

	harness_start(&h, &full);
	for (size_t i = 0; i < first_n + length; i++) {
		enum action a = i < first_n ? first[i] : (enum action)(number % A__COUNT);
		int want = model_step(&m, a), got = real_step(&h, a);

		if (i >= first_n)
			number /= A__COUNT;
		if (got != want || h.accepted != m.accepted || h.closed != m.closed)
			fail_msg("step %zu action %d: got %d want %d, accepted %u want %u", i, a,
			    got, want, h.accepted, m.accepted);
	}
	harness_end(&h);
}

/* All sequences of 4, and all of 3 behind each of the useful beginnings. */
static void
test_model(void **state)
{
	static const enum action starts[][3] = { { A_EHLO, A_MAIL, A_RCPT },
		{ A_EHLO, A_MAIL, A_MAIL }, { A_STARTTLS, A_EHLO, A_MAIL },
		{ A_HELO, A_MAIL, A_RCPT_UNKNOWN } };
	unsigned count = 1;

	(void)state;
	for (int i = 0; i < 3; i++)
		count *= A__COUNT;
	for (unsigned n = 0; n < count * A__COUNT; n++)
		run_sequence(NULL, 0, n, 4);
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
		for (unsigned n = 0; n < count; n++)
			run_sequence(starts[s], 3, n, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
