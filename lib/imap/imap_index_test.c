/* SPDX-License-Identifier: ISC */
/* Records of facts.h: the same answers with them as without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/limits.h"
#include "imap/test_client.h"

static const char nested_msg[] =
    "From: \"J\xc3\xb6rg\" <j@example.test>\r\nSubject: =?utf-8?q?=C3=A4?= and {brace}\r\n"
    "References: <1@x>\r\n <2@x>\r\nMessage-ID: <3@x>\r\n"
    "Content-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n--o\r\n"
    "Content-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\nplain\r\n--i\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "PGI+YmzDtmQ8L2I+\r\n--i--\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\n\r\ninner body\r\n--o\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n"
    "--d\r\n\r\nSubject: digested\r\n\r\nx\r\n--d--\r\n--o--\r\nepilogue\r\n";
static const char global_msg[] = "Subject: g\r\nContent-Type: message/global\r\n\r\nA: b\r\n\r\nx";
static const char *const msgs[] = { simple_msg, nested_msg, global_msg, "", "\r\n", "no header",
	"Content-Type: multipart/mixed; boundary=b\n\nno part",
	"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==" };
enum { MSGS = sizeof(msgs) / sizeof(msgs[0]) };

static void
record_of(struct str msg, struct buf *out)
{
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);
	struct mime_tree t = { 0 };

	mime_parse(msg, &t);
	assert_int_equal(imap_facts_put(out, msg, &t, a), 0);
	mime_tree_free(&t);
	arena_free(&a);
}

static void
same_tree(struct str msg, const struct imap_facts *f)
{
	struct mime_tree want = { 0 }, have = { 0 };

	mime_parse(msg, &want);
	assert_true(imap_facts_tree(f, msg, &have));
	assert_int_equal(have.count, want.count);
	assert_int_equal(have.truncated, want.truncated);
	for (size_t i = 0; i < want.count; i++) {
		struct mime_part *a = &want.parts[i], *b = &have.parts[i];

		assert_true(str_eq(a->ctype, b->ctype));
		a->ctype = b->ctype = (struct str){ NULL, 0 };
		assert_int_equal(a->header, b->header);
		assert_int_equal(a->body, b->body);
		assert_int_equal(a->end, b->end);
		assert_int_equal(a->lines, b->lines);
		assert_int_equal(a->kind, b->kind);
		assert_int_equal(a->encoding, b->encoding);
		assert_int_equal(a->default_message, b->default_message);
		assert_int_equal(a->parent, b->parent);
		assert_int_equal(a->child, b->child);
		assert_int_equal(a->next, b->next);
	}
	mime_tree_free(&want);
	mime_tree_free(&have);
}

static void
test_record(void **state)
{
	struct imap_facts f;
	struct buf b;

	(void)state;
	buf_init(&b, IMAP_FACTS_MAX);
	for (size_t i = 0; i < MSGS; i++) {
		struct str msg = str_of(msgs[i]);

		buf_clear(&b);
		record_of(msg, &b);
		assert_true(imap_facts_get(str_from(buf_data(&b), b.len), &f));
		assert_int_equal(f.size, msg.n);
		assert_true(f.has & FACTS_ENVELOPE);
		assert_int_equal((f.has & FACTS_STRUCTURE) != 0, msgs[i] != global_msg);
		same_tree(msg, &f);
	}
	buf_clear(&b);
	record_of(str_of(nested_msg), &b);
	assert_true(imap_facts_get(str_from(buf_data(&b), b.len), &f));
	assert_true(str_eq(f.references, STR("<1@x> <2@x>")));
	/* another version, a shorter record, one of another message */
	((uint8_t *)(uintptr_t)buf_data(&b))[0]++;
	assert_false(imap_facts_get(str_from(buf_data(&b), b.len), &f));
	((uint8_t *)(uintptr_t)buf_data(&b))[0]--;
	for (size_t n = 0; n < b.len; n++) {
		struct mime_tree t = { 0 };

		assert_false(imap_facts_get(str_from(buf_data(&b), n), &f) &&
			     imap_facts_tree(&f, str_of(nested_msg), &t));
		mime_tree_free(&t);
	}
	assert_true(imap_facts_get(str_from(buf_data(&b), b.len), &f));
	assert_false(imap_facts_tree(&f, str_of(simple_msg), &(struct mime_tree){ 0 }));
	buf_free(&b);
}

/* What is longer than it is worth is left out, the rest stays. */
static void
test_long(void **state)
{
	struct imap_facts f;
	struct buf b, msg;

	(void)state;
	buf_init(&b, IMAP_FACTS_MAX);
	buf_init(&msg, 1 << 20);
	buf_puts(&msg, "Subject: ");
	for (int i = 0; i < 10000; i++)
		buf_putc(&msg, 's');
	buf_puts(&msg, "\r\nReferences: <");
	for (int i = 0; i < 10000; i++)
		buf_putc(&msg, 'r');
	buf_puts(&msg, ">\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < IMAP_FACTS_PARTS_MAX; i++)
		buf_puts(&msg, "--b\r\n\r\n");
	record_of(str_from(buf_data(&msg), msg.len), &b);
	assert_true(imap_facts_get(str_from(buf_data(&b), b.len), &f));
	assert_int_equal(f.has, 0);
	buf_free(&msg);
	buf_free(&b);
}

/* What FETCH says of all messages. */
static char *
answer(struct client *c, const char *command)
{
	say(c, command);
	return xstrdup(got(c));
}

static void
test_fetch(void **state)
{
	static const char *const commands[] = {
		"a fetch 1:* (uid flags envelope bodystructure)\r\n", "a fetch 1:* body\r\n",
		"a fetch 1:* all\r\n", "a fetch 1:* full\r\n",
		"a fetch 1:* (envelope body.peek[1] body.peek[1.mime] body.peek[2.header])\r\n",
		"a fetch 1:* (bodystructure rfc822.size body.peek[text] preview)\r\n",
		"a fetch 1:* (binary.peek[1.2] binary.size[1.2] bodystructure)\r\n"
	};
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	for (size_t i = 0; i < MSGS; i++)
		memory_deliver(&mem, "INBOX", str_of(msgs[i]), 0);
	say(&c, "a noop\r\n");
	got(&c);
	for (int rev2 = 0; rev2 < 2; rev2++) {
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			char *with, *without;

			mem.facts = false;
			without = answer(&c, commands[i]);
			mem.facts = true;
			with = answer(&c, commands[i]);
			assert_string_equal(with, without);
			free(with);
			free(without);
		}
		say(&c, "a enable imap4rev2\r\n");
		got(&c);
	}
	done(&c);
}

/* ENVELOPE and BODYSTRUCTURE come from the record alone. */
static void
test_no_content(void **state)
{
	struct client c;
	char *want;

	(void)state;
	in_inbox(&c, 3);
	want = answer(&c, "a fetch 1:* (envelope bodystructure)\r\n");
	mem.fail_content = IMAP_CORRUPTION;
	say(&c, "a fetch 1:* (envelope bodystructure)\r\n");
	assert_non_null(strstr(got(&c), "a NO [CORRUPTION]"));
	mem.facts = true;
	EXPECT(&c, "a fetch 1:* (envelope bodystructure)\r\n", want);
	say(&c, "a fetch 1 (envelope body.peek[])\r\n");
	assert_non_null(strstr(got(&c), "a NO [CORRUPTION]"));
	free(want);
	done(&c);
}

/* SORT and THREAD, with the record and without; with it no content is read. */
static void
test_sort_and_thread(void **state)
{
	static const char *const headers[] = {
		"Subject: Re: [x] \"quoted\" \\ back\r\n slash\r\nFrom: \"a\\\"b\" <\"odd \\\" local\"@x>\r\n"
		"To: group: a@b, c@d;, e@f\r\nDate: Mon,\r\n 1 Jan 2024 12:00:00 +0000\r\n"
		"Message-ID: <1@x>\r\n",
		"Subject:\r\nFrom:\r\nTo: <>\r\nDate:\r\nMessage-ID:\r\nReferences:\r\n"
		"In-Reply-To: <1@x> <2@x>\r\n",
		"Subject: \xff\xfe 8 bit\r\nFrom: \xe4@x\r\nCc: nobody\r\nReferences: <1@x>\r\n\t<2@x> junk\r\n"
		"Date: not a date\r\nMessage-ID: <3@x> <4@x>\r\n",
		"subject: first\r\nSubject: second\r\nTO: A@x\r\nto: B@x\r\nDate: 1 Feb 2024 1:02 GMT\r\n",
		"Subject: =?utf-8?q?Re=3A?= fwd: x\r\nFrom: (comment) <c@x>\r\nMessage-ID: <5 @x>\r\n"
		"References: <1@x> <2@x>\r\n"
	};
	static const char *const commands[] = { "a sort (subject) utf-8 all\r\n",
		"a sort (date) utf-8 all\r\n", "a sort (from) utf-8 all\r\n",
		"a sort (to cc) utf-8 all\r\n", "a sort (cc reverse to) utf-8 all\r\n",
		"a thread references utf-8 all\r\n", "a thread orderedsubject utf-8 all\r\n" };
	struct client c;

	(void)state;
	in_inbox(&c, 0);
	for (size_t i = 0; i < MSGS; i++)
		memory_deliver(&mem, "INBOX", str_of(msgs[i]), 0);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		memory_deliver(&mem, "INBOX", str_of(headers[i]), 0);
	say(&c, "a noop\r\n");
	got(&c);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char *without = answer(&c, commands[i]);

		assert_non_null(strstr(without, "a OK"));
		mem.facts = true;
		mem.contents = 0;
		EXPECT(&c, commands[i], without);
		assert_int_equal(mem.contents, 0);
		mem.facts = false;
		free(without);
	}
	done(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_no_content),
		cmocka_unit_test(test_sort_and_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
