/* SPDX-License-Identifier: ISC */
/* The same bytes in pieces of every size; random commands of several sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "imap/limits.h"
#include "imap/test_client.h"

/* The same bytes in pieces of every size give the same answers. */
static void
test_splits(void **state)
{
	static const char script[] =
	    "a select inbox\r\n"
	    "b append {5}\r\nINBOX (\\Flagged $x) {12+}\r\na: b\r\n\r\n{3}\r\n\r\n"
	    "c fetch 1:* (flags body[] envelope bodystructure)\r\n"
	    "d search or subject {4+}\r\nimap text \"\\\"\\\\\" not from {1}\r\n}\r\n"
	    "e select {3+}\r\n{3}\r\n"
	    "f noop {10+}\r\nz logout\r\n\r\n"
	    "g uid store 1:* -flags.silent (\\Seen $x)\r\n"
	    "h idle\r\nDONE\r\n"
	    "i foo\r\n\r\n"
	    "j uid move 1 Trash\n"
	    "k list \"\" \"*\" return (special-use children subscribed)\r\n"
	    "l create \"a/{2+}\"\r\n"
	    "m logout\r\n";
	struct buf want;

	(void)state;
	buf_init(&want, 1 << 20);
	for (size_t step = 0; step < sizeof(script); step++) {
		struct client c;

		memory_init(&mem);
		memory_deliver(&mem, "INBOX", str_of(simple_msg), 0);
		open_client(&c);
		c.step = step;
		feed(&c, script, sizeof(script) - 1);
		assert_int_equal(c.why, IMAP_RUN_CLOSE);
		if (step == 0)
			buf_put(&want, buf_data(&c.got), c.got.len);
		assert_int_equal(c.got.len, want.len);
		assert_memory_equal(buf_data(&c.got), buf_data(&want), want.len);
		done(&c);
	}
	assert_non_null(memmem(buf_data(&want), want.len, "\r\nm OK ", 7));
	assert_non_null(memmem(buf_data(&want), want.len, "\r\nd OK ", 7));
	buf_free(&want);
}

/* ---- random commands of several sessions against what each client must believe ------------------ */
enum { MODEL_CLIENTS = 3, MODEL_MAX = 2000 };

struct believer {
	struct client c;
	uint32_t uid[MODEL_MAX]; /* by sequence number - 1; 0: not heard yet */
	size_t exists;
};

static void
believe_line(struct believer *b, const char *line, bool may_expunge)
{
	unsigned n, uid;
	char word[16];
	const char *at;

	if (sscanf(line, "* %u %15[A-Z]", &n, word) != 2)
		return;
	if (strcmp(word, "EXPUNGE") == 0) {
		assert_true(may_expunge);
		assert_in_range(n, 1, b->exists);
		memmove(&b->uid[n - 1], &b->uid[n], (b->exists - n) * sizeof(b->uid[0]));
		b->uid[--b->exists] = 0;
	} else if (strcmp(word, "EXISTS") == 0) {
		assert_in_range(n, b->exists, MODEL_MAX);
		b->exists = n;
	} else if (strcmp(word, "FETCH") == 0) {
		assert_in_range(n, 1, b->exists);
		at = strstr(line, "UID ");
		if (at == NULL || sscanf(at, "UID %u", &uid) != 1)
			return;
		assert_true(b->uid[n - 1] == 0 || b->uid[n - 1] == uid);
		b->uid[n - 1] = uid;
	}
}

static void
believe(struct believer *b, bool may_expunge)
{
	char *text = xstrdup(got(&b->c)), *save = NULL;

	for (char *l = strtok_r(text, "\r\n", &save); l; l = strtok_r(NULL, "\r\n", &save))
		believe_line(b, l, may_expunge);
	free(text);
}

static void
model_command(struct believer *b, unsigned r)
{
	unsigned n = b->exists ? r / 16 % (unsigned)b->exists + 1 : 1;
	char line[128];
	bool hold = false;

	switch (r % 16) {
	case 0:
		snprintf(line, sizeof(line), "a noop\r\n");
		break;
	case 1:
	case 2:
		hold = true;
		snprintf(line, sizeof(line), "a fetch %u:* (uid flags)\r\n", n);
		break;
	case 3:
		snprintf(line, sizeof(line), "a uid fetch %u:* flags\r\n", n);
		break;
	case 4:
	case 5:
		hold = true;
		snprintf(line, sizeof(line), "a store %u,%u +flags \\Deleted\r\n", n,
		    (n + 2) % (unsigned)(b->exists + 1) + (n + 2 == b->exists + 1));
		break;
	case 6:
		snprintf(line, sizeof(line), "a uid store 1:* %cflags kw%u\r\n", "+-"[r / 16 & 1],
		    r / 32 % 5);
		break;
	case 7:
		snprintf(line, sizeof(line), "a expunge\r\n");
		break;
	case 8:
		snprintf(
		    line, sizeof(line), "a uid expunge %u\r\n", b->exists ? b->uid[n - 1] + 1 : 1);
		break;
	case 9:
	case 10:
	case 11:
		snprintf(line, sizeof(line), "a append INBOX {3+}\r\nx\r\n\r\n");
		break;
	case 12:
		snprintf(line, sizeof(line), "a copy %u inbox\r\n", n);
		break;
	case 13:
		snprintf(line, sizeof(line), "a move %u Trash\r\n", n);
		break;
	case 14:
		hold = true;
		snprintf(line, sizeof(line), "a search deleted\r\n");
		break;
	default:
		snprintf(line, sizeof(line), "a idle\r\n");
		break;
	}
	say(&b->c, line);
	if (r % 16 == 15)
		return; /* idles until it has its turn again */
	believe(b, !hold);
}

static void
test_model(void **state)
{
	struct believer b[MODEL_CLIENTS] = { 0 };
	bool idles[MODEL_CLIENTS] = { false };
	unsigned x = 20261123;

	(void)state;
	memory_init(&mem);
	for (int i = 0; i < MODEL_CLIENTS; i++) {
		open_client(&b[i].c);
		say(&b[i].c, "a select inbox\r\n");
		believe(&b[i], false);
	}
	for (int round = 0; round < 20000; round++) {
		unsigned r = (x = x * 1664525 + 1013904223) >> 8, i = r / 4096 % MODEL_CLIENTS;

		mem.wait = r / 8192 & 1;
		if (idles[i]) {
			run(&b[i].c);
			say(&b[i].c, "done\r\n");
			believe(&b[i], true);
		}
		idles[i] = r % 16 == 15;
		if (memory_folder(&mem, STR("INBOX"))->n > 300)
			r = r / 16 * 16 + 13;
		model_command(&b[i], r);
		idles[i] = r % 16 == 15;
		memory_sync(&mem);
		run(&b[i].c);
		if (!idles[i])
			believe(&b[i], true);
	}
	for (int i = 0; i < MODEL_CLIENTS; i++) {
		struct imap_folder *f = memory_folder(&mem, STR("INBOX"));

		say(&b[i].c, idles[i] ? "done\r\na noop\r\n" : "a noop\r\n");
		believe(&b[i], true);
		say(&b[i].c, "a fetch 1:* uid\r\n");
		believe(&b[i], false);
		assert_int_equal(b[i].exists, f->n);
		for (size_t k = 0; k < f->n; k++)
			assert_int_equal(b[i].uid[k], f->msg[k].m.uid);
		close_client(&b[i].c);
	}
	memory_free(&mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
