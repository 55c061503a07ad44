/* SPDX-License-Identifier: ISC */
/* SEARCH in texts: what is found, what is not even opened, and that others have their turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"
#include "imap/text.h"
#include "mail/decode.h"

/* The numbers found by "SEARCH keys", as "1 3"; or the reply, if it is not OK. */
static const char *
search(struct client *c, const char *keys)
{
	static char out[4096];
	const char *p, *end;

	say(c, "a search ");
	say(c, keys);
	say(c, "\r\n");
	p = got(c);
	if (strncmp(p, "* SEARCH", 8) != 0)
		return p;
	end = strchr(p, '\r');
	p += p[8] == ' ' ? 9 : 8;
	snprintf(out, sizeof(out), "%.*s", (int)(end - p), p);
	return out;
}

static void
deliver(const char *msg)
{
	memory_deliver(&mem, "INBOX", str_of(msg), 0);
}

static void
begin(struct client *c)
{
	in_inbox(c, 0);
}

static void
ready(struct client *c)
{
	say(c, "a noop\r\n");
	got(c);
}

static void
test_scripts(void **state)
{
	struct client c;

	(void)state;
	begin(&c);
	/* 1: in the header, with words; 2: Latin 1; 3: decomposed, raw; 4: Greek; 5: wide letters */
	deliver("Subject: =?utf-8?Q?Stra=C3=9Fen?=\r\n =?utf-8?B?ZsO8aHJlcg==?=\r\n"
		"From: =?iso-8859-1?Q?J=F6rg?= <j@example.test>\r\n\r\nx\r\n");
	deliver("Content-Type: text/plain; charset=iso-8859-1\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C4RGER im B=FCro\r\n");
	deliver("Subject: x\r\n\r\nbu\xcc\x88ro\r\n");
	deliver(
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "zprOkc6bzpfOnM6VzqHOkSDOo86fzqM=\r\n");
	deliver("Subject: x\r\n\r\n\xef\xbc\xa2\xef\xbc\xb5 \xef\xac\x81n\r\n");
	ready(&c);
	assert_string_equal(search(&c, "subject \"STRA\xc3\x9f"
				       "ENF\xc3\x9c"
				       "H\""),
	    "1");
	assert_string_equal(search(&c, "from \"j\xc3\xb6RG\""), "1");
	assert_string_equal(search(&c, "from j@EXAMPLE"), "1");
	assert_string_equal(search(&c, "body \"J\xc3\xb6rg\""), "");
	assert_string_equal(search(&c, "text \"J\xc3\xb6rg\""), "1");
	assert_string_equal(search(&c, "body \"b\xc3\xbcro\""), "2 3");
	assert_string_equal(search(&c, "body \"BU\xcc\x88RO\""), "2 3");
	assert_string_equal(search(&c, "charset iso-8859-1 body \"\xc4rger\""), "2");
	assert_string_equal(
	    search(&c,
		"body \"\xce\xba\xce\xb1\xce\xbb\xce\xb7\xce\xbc\xce\xb5\xcf\x81\xce\xb1 \xcf\x83\xce\xbf\xcf\x82\""),
	    "4");
	assert_string_equal(search(&c, "body \"bu fin\""), "5");
	assert_string_equal(search(&c, "header subject \"\" subject x"), "3 5");
	assert_string_equal(search(&c, "text \"\""), "1 2 3 4 5");
	done(&c);
}

/* Text that is attached counts, encoded or not; what is not text does not, nor its base64. */
static void
test_parts(void **state)
{
	struct client c;

	(void)state;
	begin(&c);
	deliver(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nfirst\r\n"
	    "--b\r\nContent-Type: text/csv; name=report.csv\r\nContent-Disposition: attachment\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\nbmVlZGxlIG9u\r\nZQ==\r\n"
	    "--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "bmVlZGxlIHR3bw==\r\n"
	    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nthree\r\n--b--\r\n");
	ready(&c);
	assert_string_equal(search(&c, "body \"needle one\""), "1");
	assert_string_equal(search(&c, "body \"needle two\""), "");
	assert_string_equal(search(&c, "text bmVlZGxl"), "");
	assert_string_equal(search(&c, "body report.csv"), "1");
	assert_string_equal(search(&c, "body \"subject: inner\""), "1");
	assert_string_equal(search(&c, "subject inner"), "");
	assert_string_equal(search(&c, "body three"), "1");
	assert_string_equal(search(&c, "body preamble"), "");
	done(&c);
}

/* A text is found wherever it stands in a large part, also where that is cut in pieces. */
static void
test_pieces(void **state)
{
	static const char *const heads[] = {
		"Content-Type: text/plain; charset=utf-8\r\n\r\n",
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	};
	static const char needle[] = "n\xc3\xa4"
				     "dl\xe2\x82\xac\xf0\x9f\x98\x80!";
	enum { SIZE = 2 * IMAP_TEXT_CHUNK, STEPS = 40 };
	char *text = xmalloc(SIZE), *encoded = xmalloc(2 * SIZE);
	struct client c;

	(void)state;
	begin(&c);
	for (size_t i = 0; i < 2 * (size_t)STEPS; i++) {
		size_t cut = i % 2 ? IMAP_TEXT_CHUNK / 4 * 3 : IMAP_TEXT_CHUNK;
		struct buf msg;

		memset(text, '.', SIZE);
		memcpy(text + cut - STEPS / 2 + i / 2, needle, sizeof(needle) - 1);
		buf_init(&msg, 4 * SIZE);
		buf_puts(&msg, heads[i % 2]);
		buf_put(&msg, i % 2 ? encoded : text,
		    i % 2 ? mail_base64_encode(text, SIZE, encoded) : SIZE);
		memory_deliver(&mem, "INBOX", str_from(buf_data(&msg), msg.len), 0);
		buf_free(&msg);
	}
	ready(&c);
	EXPECT(&c,
	    "a search return (count) body \"N\xc3\x84"
	    "DL\xe2\x82\xac\xf0\x9f\x98\x80!\"\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 80\r\na OK Search completed\r\n");
	EXPECT(&c, "a search return (count) body \"dl\xe2\x82\xac\xf0\x9f\x98\x80.\"\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 0\r\na OK Search completed\r\n");
	free(text);
	free(encoded);
	done(&c);
}

/* The text of a message, decoded by its charset, whose state goes on from piece to piece. */
static void
test_charsets(void **state)
{
	enum { PAIRS = IMAP_TEXT_CHUNK + 7 };
	struct client c;
	struct buf msg;

	(void)state;
	begin(&c);
	deliver("Subject: =?koi8-r?B?8NLJ18XU?=\r\nContent-Type: text/plain; charset=koi8-r\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n7cnS\r\n");
	deliver("Subject: =?big5?B?um4=?=\r\nContent-Type: text/plain; charset=GB18030\r\n\r\n"
		"\xba\xba\xd7\xd6\x94\x39\xda\x33\r\n");
	deliver("Content-Type: text/plain; charset=euc-kr\r\n\r\n\xc7\xd1\xb1\xdb\r\n");
	buf_init(&msg, 8 * IMAP_TEXT_CHUNK);
	buf_puts(&msg, "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\nx\033$B");
	for (size_t i = 0; i < PAIRS; i++)
		buf_puts(&msg, i == IMAP_TEXT_CHUNK / 2 - 2 ? "4A;z" : "F|");
	buf_puts(&msg, "\033(B end\r\n");
	memory_deliver(&mem, "INBOX", str_from(buf_data(&msg), msg.len), 0);
	buf_free(&msg);
	ready(&c);
	assert_string_equal(
	    search(&c, "text \"\xd0\xbf\xd0\xa0\xd0\x98\xd0\xb2\xd0\xb5\xd0\xa2\""), "1");
	assert_string_equal(search(&c, "charset koi8-r subject \"\xd0\xf2\xe9\xd7\xe5\xf4\""), "1");
	assert_string_equal(search(&c, "charset windows-1251 body \"\xec\xe8\xf0\""), "1");
	assert_string_equal(search(&c, "body \"\xe6\xb1\x89\xe5\xad\x97\xf0\x9f\x92\xa9\""), "2");
	assert_string_equal(search(&c, "charset big5 subject \"\xba\x6e\""), "2");
	assert_string_equal(search(&c, "body \"\xea\xb8\x80\""), "3");
	assert_string_equal(
	    search(&c, "body \"\xe6\x97\xa5\xe6\xbc\xa2\xe5\xad\x97\xe6\x97\xa5\""), "4");
	assert_string_equal(search(&c, "charset shift_jis body \"\x93\xfa end\""), "4");
	done(&c);
}

/* --- the index ------------------------------------------------------------------------------------
 */

static bool
not_in_odd(const struct imap_message *m)
{
	return m->uid % 2 == 1;
}

/* What the index excludes is not opened; with NOT, OR and other keys the answer stays right. */
static void
test_index(void **state)
{
	struct client c;
	const char *keys[] = { "text needle", "not text needle", "or text needle flagged",
		"(body needle subject second)", "or not body needle seen", "3 text needle" };
	const char *want[] = { "2 4", "1 3", "2 4", "4", "1 3", "" };
	size_t contents[] = { 2, 2, 2, 2, 2, 0 };

	(void)state;
	begin(&c);
	deliver("Subject: first\r\n\r\nhay\r\n");
	deliver("Subject: first\r\n\r\nneedle\r\n");
	deliver("Subject: second\r\n\r\nhay\r\n");
	deliver("Subject: second\r\n\r\nneedle\r\n");
	ready(&c);
	mem.not_in = not_in_odd;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		mem.contents = 0;
		assert_string_equal(search(&c, keys[i]), want[i]);
		assert_int_equal(mem.contents, contents[i]);
	}
	assert_int_equal(mem.probes, 7);
	assert_int_equal(mem.probes_freed, 7);
	/* too short, or nothing to compare */
	search(&c, "or text ne header subject \"\"");
	assert_int_equal(mem.probes, 7);
	done(&c);
}

static void
test_probes_max(void **state)
{
	struct client c;

	(void)state;
	begin(&c);
	deliver("Subject: first\r\n\r\nhay\r\n");
	ready(&c);
	mem.not_in = not_in_odd;
	say(&c, "a search");
	for (unsigned i = 0; i < 2 * IMAP_SEARCH_PROBES_MAX; i++)
		say(&c, " text hay");
	say(&c, "\r\n");
	got(&c);
	assert_int_equal(mem.probes, IMAP_SEARCH_PROBES_MAX);
	assert_int_equal(mem.probes_freed, IMAP_SEARCH_PROBES_MAX);
	done(&c);
}

/* --- expensive searches ---------------------------------------------------------------------------
 */

enum { LARGE = 1 << 20 };

static void
deliver_large(const char *head)
{
	struct buf msg;

	buf_init(&msg, 2 * LARGE);
	buf_puts(&msg, head);
	for (unsigned i = 0; msg.len < LARGE; i++)
		buf_printf(&msg, "%u bottles of beer on the wall\r\n", i);
	memory_deliver(&mem, "INBOX", str_from(buf_data(&msg), msg.len), 0);
	buf_free(&msg);
}

/* Runs a's search one turn after the other; in between b asks for something, and is answered. Returns
 * the turns. */
static unsigned
beside(struct client *a, struct client *b, const char *command)
{
	struct buf *out = imap_session_out(a->s);
	unsigned turns = 1;

	buf_puts(&a->in, command);
	while ((a->why = imap_session_run(a->s, &a->in)) == IMAP_RUN_AGAIN) {
		assert_int_equal(out->len, 0);
		EXPECT(b, "b noop\r\n", "b OK Done\r\n");
		turns++;
	}
	return turns;
}

/* One large message, and many texts at once: the work is cut in small pieces. */
static void
test_turns(void **state)
{
	struct client a, b;
	struct buf keys;
	unsigned turns, one;

	(void)state;
	begin(&a);
	deliver_large("Subject: x\r\n\r\n");
	deliver_large("Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n");
	ready(&a);
	open_client(&b);
	say(&b, "b select inbox\r\n");
	got(&b);
	one = beside(&a, &b, "a search text nothing\r\n");
	assert_in_range(one, 2 * LARGE / IMAP_SEARCH_TURN, 8 * LARGE / IMAP_SEARCH_TURN);
	imap_session_sent(a.s, imap_session_out(a.s)->len);
	/* each text more is a quarter more work, at least */
	buf_init(&keys, 65536);
	buf_puts(&keys, "a search");
	for (int i = 0; i < 200; i++)
		buf_printf(&keys, "%s text nothing%d", i < 199 ? " or" : "", i);
	buf_puts(&keys, "\r\n");
	buf_putc(&keys, 0);
	turns = beside(&a, &b, (const char *)buf_data(&keys));
	assert_int_equal(turns, 1); /* nested too deep */
	imap_session_sent(a.s, imap_session_out(a.s)->len);
	buf_clear(&keys);
	buf_puts(&keys, "a search");
	for (int i = 0; i < 200; i++)
		buf_printf(&keys, " not text nothing%d", i);
	buf_puts(&keys, "\r\n");
	buf_putc(&keys, 0);
	turns = beside(&a, &b, (const char *)buf_data(&keys));
	assert_true(turns > 20 * one);
	/* headers as well */
	buf_clear(&keys);
	buf_puts(&keys, "a search");
	for (int i = 0; i < 200; i++)
		buf_printf(&keys, " not header x-nothing nothing%d", i);
	buf_puts(&keys, "\r\n");
	buf_putc(&keys, 0);
	deliver_large("Subject: x\r\nX-Nothing: y\r\n");
	imap_session_sent(a.s, imap_session_out(a.s)->len);
	ready(&a);
	say(&b, "b noop\r\n");
	got(&b);
	turns = beside(&a, &b, (const char *)buf_data(&keys));
	assert_true(turns > 50);
	buf_free(&keys);
	close_client(&b);
	done(&a);
}

/* The whole work of one search is limited; the session goes on. */
static void
test_limit(void **state)
{
	struct client c;

	(void)state;
	begin(&c);
	for (int i = 0; i < 12; i++)
		deliver_large("Subject: x\r\n\r\n");
	ready(&c);
	say(&c, "a search return (save) all\r\n");
	got(&c);
	say(&c, "a search return (save count)");
	for (int i = 0; i < IMAP_SEARCH_KEYS_MAX / 2 - 2; i++)
		say(&c, " not body nothing");
	say(&c, "\r\n");
	assert_string_equal(got(&c), "a NO [LIMIT] The search takes too much time\r\n");
	EXPECT(&c, "a search return (count) $\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 0\r\na OK Search completed\r\n");
	EXPECT(&c, "a search return (count) text bottles\r\n",
	    "* ESEARCH (TAG \"a\") COUNT 12\r\na OK Search completed\r\n");
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_probes_max),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
