/* SPDX-License-Identifier: ISC */
/*
 * The index of texts: a search with it finds what a search without it finds, whatever the mailbox
 * went through; and it is really used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "imap/limits.h"
#include "imap/search.h"
#include "mail/charset.h"
#include "mail/decode.h"
#include "mailbox/backend.h"
#include "mailbox/search_index.h"
#include "textindex/textindex.h"

/* More with SEARCHES in the environment; SEED begins others. */
enum { MESSAGES = 2000, SEARCHES = 24 };

static uint64_t clock_ms = 1700000000000;
static unsigned reports;
static uint64_t seed;

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return clock_ms += 7;
}

static void
report(void *arg, const char *line)
{
	(void)arg;
	(void)line;
	reports++;
}

static uint32_t
dice(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

/* --- a mailbox with an index ---------------------------------------------------------------------
 */

struct box {
	char path[64];
	int dirfd;
	struct store *s;
	struct search_index *x;
	struct backend *b;
};

static void
box_open(struct box *b)
{
	const struct store_config config = { .dirfd = b->dirfd, .now_ms = now_ms };
	struct search_index_config index = { .dirfd = b->dirfd, .new_min = 1, .report = report };

	assert_int_equal(store_open(&config, &b->s), STORE_OK);
	index.store = b->s;
	b->x = search_index_new(&index);
	b->b = backend_new(now_ms, NULL);
	backend_set_store(b->b, b->s);
}

static void
box_close(struct box *b)
{
	search_index_free(&b->x);
	backend_free(&b->b);
	store_close(&b->s);
}

static void
box_new(struct box *b)
{
	strcpy(b->path, "/tmp/index-test-XXXXXX");
	assert_non_null(mkdtemp(b->path));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	box_open(b);
}

static void
box_free(struct box *b)
{
	DIR *d;
	struct dirent *e;

	box_close(b);
	d = opendir(b->path);
	while ((e = readdir(d)) != NULL)
		unlinkat(b->dirfd, e->d_name, 0);
	closedir(d);
	close(b->dirfd);
	rmdir(b->path);
}

static struct folder *
inbox(struct box *b)
{
	return model_folder_named(store_model(b->s), STR("INBOX"));
}

static void
arrive(struct box *b, const char *p, size_t n)
{
	struct store_arrival a = { .seconds = 1, .size = n, .bytes = xmalloc(n + 1) };
	uint32_t uid;

	memcpy(a.bytes, p, n);
	assert_int_equal(store_arrive(b->s, inbox(b), &a, 1, &uid), 0);
	free(a.bytes);
}

/* As the host does: a turn ends, then there is time. */
static void
work(struct box *b)
{
	assert_int_equal(store_turn(b->s), 0);
	search_index_stable(b->x);
	while (search_index_work(b->x))
		;
}

static struct search_index_state
state(struct box *b)
{
	struct search_index_state st;

	search_index_state(b->x, &st);
	return st;
}

/* --- messages in many scripts and encodings -------------------------------------------------------
 */

static const char *const stems[] = { "invoice",
	"Stra\xc3\x9f"
	"e",
	"M\xc3\xbcller", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
	"\xce\xba\xce\xb1\xce\xbb\xce\xb7\xce\xbc\xce\xad\xcf\x81\xce\xb1",
	"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\xed\x95\x9c\xea\xb8\x80",
	"\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "caf\xc3\xa9",
	"cafe\xcc\x81", "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80",
	"\xf0\x9f\x98\x80\xf0\x9f\x8e\x89", "\xc3\x84rger", "NaN", "x", "\xff\xfe", "=41", "&amp;",
	"I\xc4\xb0" };

static void
word(struct buf *b)
{
	const char *stem = stems[dice(sizeof(stems) / sizeof(stems[0]))];
	size_t n = strlen(stem);

	if (dice(3) == 0)
		for (size_t i = 1 + dice(4); i > 0; i--)
			buf_putc(b, "abcdefgXYZ0189"[dice(14)]);
	buf_put(b, stem, n);
	if (dice(4) == 0)
		buf_printf(b, "%u", dice(300));
	buf_puts(b, dice(9) == 0 ? "\r\n" : " ");
}

static void
words(struct buf *b, unsigned n)
{
	while (n-- > 0)
		word(b);
}

static void
base64(struct buf *b, const struct buf *in, size_t line)
{
	char out[200];

	for (size_t at = 0; at < in->len; at += line) {
		size_t n = in->len - at < line ? in->len - at : line;

		buf_put(b, out, mail_base64_encode(buf_data(in) + at, n, out));
		buf_puts(b, "\r\n");
	}
}

static void
quoted(struct buf *b, const struct buf *in)
{
	for (size_t i = 0; i < in->len; i++) {
		uint8_t c = buf_data(in)[i];

		if (c == '=' || c > 126 || dice(20) == 0)
			buf_printf(b, "=%02X%s", c, dice(30) == 0 ? "=\r\n" : "");
		else
			buf_putc(b, c);
	}
}

static void
subject(struct buf *b)
{
	struct buf text;
	char out[300];

	buf_init(&text, 4096);
	words(&text, 2);
	if (text.len > 150)
		text.len = 150;
	if (dice(2) == 0) {
		buf_puts(b, "Subject: =?utf-8?B?");
		buf_put(b, out, mail_base64_encode(buf_data(&text), text.len, out));
		buf_puts(b, "?=\r\n");
	} else {
		buf_puts(b, "Subject: ");
		for (size_t i = 0; i < text.len; i++)
			buf_putc(b, strchr("\r\n", buf_data(&text)[i]) ? ' ' : buf_data(&text)[i]);
		buf_puts(b, "\r\n");
	}
	buf_free(&text);
}

/* Into a character set, as far as it has the characters; the bytes of the others stay. */
static void
encode(struct buf *text, const char *charset)
{
	iconv_t cd = iconv_open(charset, "UTF-8");
	size_t left = text->len, room = 4 * left + 64;
	char *all = xmalloc(room), *to = all, *from = (char *)(uintptr_t)buf_data(text);

	while (cd != (iconv_t)-1 && left > 0 && iconv(cd, &from, &left, &to, &room) == (size_t)-1) {
		*to++ = *from++;
		left--;
		room--;
	}
	if (cd != (iconv_t)-1) {
		iconv(cd, NULL, NULL, &to, &room);
		iconv_close(cd);
		buf_clear(text);
		buf_put(text, all, (size_t)(to - all));
	}
	free(all);
}

static void
part(struct buf *b)
{
	enum mail_charset cs = dice(2) ? MAIL_CHARSET_UTF8 : dice(MAIL_CHARSETS + 1);
	const char *charset = mail_charset_name(cs) ? mail_charset_name(cs) : "x-unknown";
	struct buf text;

	buf_init(&text, 1 << 20);
	words(&text, dice(40) == 0 ? 3000 : 1 + dice(60));
	encode(&text, charset);
	buf_printf(b, "Content-Type: text/%s; charset=%s\r\n", dice(2) ? "plain" : "html", charset);
	switch (dice(3)) {
	case 0:
		buf_puts(b, "Content-Transfer-Encoding: base64\r\n\r\n");
		base64(b, &text, 57);
		break;
	case 1:
		buf_puts(b, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		quoted(b, &text);
		break;
	default:
		buf_puts(b, "\r\n");
		buf_put(b, buf_data(&text), text.len);
		break;
	}
	buf_puts(b, "\r\n");
	buf_free(&text);
}

static void
message(struct buf *b)
{
	buf_clear(b);
	buf_puts(b, "From: ");
	word(b);
	b->len -= b->len > 0 && buf_data(b)[b->len - 1] == '\n' ? 2 : 0;
	buf_printf(b, " <u%u@example.test>\r\n", dice(50));
	subject(b);
	if (dice(3) > 0) {
		part(b);
		return;
	}
	buf_puts(b, "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n");
	part(b);
	buf_puts(b, "--bb\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: "
		    "base64\r\n\r\nbmVlZGxl\r\n--bb\r\n");
	part(b);
	buf_puts(b, "--bb--\r\n");
}

static void
fill(struct box *b, unsigned n)
{
	struct buf text;

	buf_init(&text, 4 << 20);
	for (unsigned i = 0; i < n; i++) {
		message(&text);
		arrive(b, (const char *)buf_data(&text), text.len);
	}
	buf_free(&text);
}

/* --- searching ------------------------------------------------------------------------------------
 */

static size_t opened; /* contents, by the last search */
static struct imap_backend_ops counting;

static enum imap_result
count_content(void *be, struct imap_folder *f, uint32_t uid, struct imap_content *c)
{
	opened++;
	return backend_ops.content(be, f, uid, c);
}

/* "SEARCH command" in INBOX: UIDs, how many. */
static size_t
search(struct box *b, bool with_index, const char *command, size_t n, uint32_t *uids)
{
	struct arena *a = arena_new(1 << 20);
	struct imap_search_request request = { 0 };
	struct imap_folder *f;
	struct imap_search work;
	struct imap_parse p;
	struct imap_view view;
	struct imap_walk walk;
	struct imap_seen m;
	size_t found = 0;

	counting = backend_ops;
	counting.content = count_content;
	opened = 0;
	backend_set_index(b->b, with_index ? b->x : NULL);
	assert_int_equal(counting.open(b->b, STR("INBOX"), NULL, &f), IMAP_DONE);
	imap_view_open(&view, &counting, b->b, f);
	imap_view_take_new(&view, false);
	imap_parse_init(&p, str_from(command, n), a);
	assert_int_equal(imap_search_parse(&p, &view, &request), IMAP_SEARCH_OK);
	imap_search_init(&work, &view);
	imap_walk_seqs(&view, &walk, 1, view.exists);
	while (imap_walk_next(&view, &walk, &m)) {
		enum imap_search_answer answer;

		do {
			work.cost = 0;
			answer = imap_search_matches(&work, request.key, &m);
		} while (answer == IMAP_SEARCH_MORE);
		if (answer == IMAP_SEARCH_YES)
			uids[found++] = m.m.uid;
	}
	imap_search_free(&work);
	imap_view_close(&view);
	counting.close(b->b, f, NULL);
	arena_free(&a);
	return found;
}

/* A piece of a word, as a quoted string. */
static void
needle(struct buf *b)
{
	struct buf text;
	size_t from, n;

	buf_init(&text, 1024);
	words(&text, 1 + dice(2));
	from = dice(3) == 0 ? dice((uint32_t)text.len) : 0;
	n = 1 + dice((uint32_t)(text.len - from));
	buf_putc(b, '"');
	for (size_t i = from; i < from + n; i++) {
		uint8_t c = buf_data(&text)[i];

		buf_putc(b, c == '\r' || c == '\n' || c == '"' || c == '\\' ? ' ' : c);
	}
	buf_putc(b, '"');
	buf_free(&text);
}

static void
key(struct buf *b, unsigned depth)
{
	static const char *const names[] = { "TEXT ", "BODY ", "SUBJECT ", "FROM ",
		"HEADER Content-Type ", "HEADER Subject " };

	switch (depth > 0 ? dice(6) : 0) {
	case 1:
		buf_puts(b, "NOT ");
		key(b, depth - 1);
		break;
	case 2:
		buf_puts(b, "OR ");
		key(b, depth - 1);
		buf_putc(b, ' ');
		key(b, depth - 1);
		break;
	case 3:
		buf_putc(b, '(');
		key(b, depth - 1);
		buf_putc(b, ' ');
		key(b, depth - 1);
		buf_putc(b, ')');
		break;
	default:
		buf_puts(b, names[dice(sizeof(names) / sizeof(names[0]))]);
		needle(b);
	}
}

/* How many contents random searches opened with the index, and without. */
static void
compare(struct box *b, unsigned searches, size_t *with, size_t *without)
{
	uint32_t *found = xmalloc(MESSAGES * 2 * sizeof(*found));
	uint32_t *want = xmalloc(MESSAGES * 2 * sizeof(*want));
	struct buf command;

	if (getenv("SEARCHES") != NULL)
		searches = (unsigned)atoi(getenv("SEARCHES"));
	*with = *without = 0;
	buf_init(&command, 65536);
	for (unsigned i = 0; i < searches; i++) {
		size_t n, m;

		buf_clear(&command);
		key(&command, dice(3));
		n = search(b, true, (const char *)buf_data(&command), command.len, found);
		*with += opened;
		m = search(b, false, (const char *)buf_data(&command), command.len, want);
		*without += opened;
		if (n != m || memcmp(found, want, n * sizeof(*found)) != 0)
			fail_msg("SEARCH %.*s: %zu, should be %zu", (int)command.len,
			    (const char *)buf_data(&command), n, m);
	}
	buf_free(&command);
	free(found);
	free(want);
}

static void
expunge_some(struct box *b, unsigned of, unsigned keep)
{
	struct folder *f = inbox(b);
	uint32_t *uids = xmalloc((f->n + 1) * sizeof(*uids)), n = 0;

	for (uint32_t i = 0; i < f->n; i++)
		if (dice(of) >= keep)
			uids[n++] = f->messages[i].uid;
	assert_int_equal(store_expunge(b->s, f, uids, n), 0);
	free(uids);
}

/* --- tests ----------------------------------------------------------------------------------------
 */

static void
begin(struct box *b)
{
	const char *given = getenv("SEED");

	seed = given != NULL ? strtoull(given, NULL, 10) : 88172645463325252u;
	reports = 0;
	box_new(b);
}

static void
test_same_as_scan(void **unused)
{
	struct search_index_state st;
	size_t with, without;
	struct box b;

	(void)unused;
	begin(&b);
	fill(&b, MESSAGES);
	work(&b);
	st = state(&b);
	assert_int_equal(st.documents, MESSAGES);
	assert_true(st.segments < MESSAGES / TEXTINDEX_BATCH_DOCS * 2);
	compare(&b, SEARCHES, &with, &without);
	assert_true(with < without / 2);
	/* some are gone, some new, some not taken up yet */
	expunge_some(&b, 4, 3);
	fill(&b, 300);
	work(&b);
	fill(&b, 100);
	store_turn(b.s);
	compare(&b, SEARCHES / 4, &with, &without);
	/* closed and opened: nothing is made again */
	st = state(&b);
	box_close(&b);
	box_open(&b);
	assert_int_equal(state(&b).covered, st.covered);
	assert_int_equal(state(&b).documents, st.documents);
	compare(&b, SEARCHES / 4, &with, &without);
	assert_true(with < without / 2);
	assert_int_equal(reports, 0);
	box_free(&b);
}

/* Segments do not stay full of what is gone. */
static void
test_shrinks(void **unused)
{
	size_t with, without;
	struct box b;

	(void)unused;
	begin(&b);
	fill(&b, MESSAGES);
	work(&b);
	expunge_some(&b, 10, 1);
	work(&b);
	assert_true(state(&b).documents <= 2 * inbox(&b)->n + 100);
	compare(&b, SEARCHES / 8, &with, &without);
	box_free(&b);
}

/* One bad byte anywhere: found out and made again, the search is right at every moment. */
static void
test_damage(void **unused)
{
	size_t with, without;
	struct dirent *e;
	struct stat st;
	struct box b;
	DIR *d;

	(void)unused;
	begin(&b);
	fill(&b, 150);
	work(&b);
	for (int round = 0; round < 12; round++) {
		box_close(&b);
		d = opendir(b.path);
		while ((e = readdir(d)) != NULL) {
			uint8_t c;
			off_t at;
			int fd;

			if (strncmp(e->d_name, SEARCH_INDEX_PREFIX, 6) != 0)
				continue;
			fd = openat(b.dirfd, e->d_name, O_RDWR);
			assert_int_equal(fstat(fd, &st), 0);
			at = (off_t)(((uint64_t)dice(UINT32_MAX) << 8) % (uint64_t)st.st_size);
			assert_int_equal(pread(fd, &c, 1, at), 1);
			c ^= (uint8_t)(1 + dice(255));
			assert_int_equal(pwrite(fd, &c, 1, at), 1);
			if (dice(5) == 0)
				assert_int_equal(ftruncate(fd, at), 0);
			close(fd);
		}
		closedir(d);
		box_open(&b);
		compare(&b, 6, &with, &without);
		work(&b);
		compare(&b, 3, &with, &without);
	}
	assert_true(reports > 0);
	box_free(&b);
}

/* The mailbox is older than its index, as after a restore. */
static void
test_older_mailbox(void **unused)
{
	uint32_t uids[10];
	struct dirent *e;
	struct box b;
	DIR *d;

	(void)unused;
	begin(&b);
	fill(&b, 20);
	work(&b);
	box_close(&b);
	d = opendir(b.path);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, SEARCH_INDEX_PREFIX, 6) != 0)
			unlinkat(b.dirfd, e->d_name, 0);
	closedir(d);
	clock_ms -= 1000000;
	box_open(&b);
	assert_int_equal(reports, 1);
	assert_int_equal(state(&b).covered, 0);
	arrive(&b, "A: b\r\n\r\nfoobar", 14);
	store_turn(b.s);
	assert_int_equal(search(&b, true, "BODY foobar", 11, uids), 1);
	clock_ms += 1000000;
	box_free(&b);
}

/* A message with more trigrams than are kept is looked at each time, and found. */
static void
test_too_many(void **unused)
{
	uint32_t uids[10];
	struct buf text;
	struct box b;

	(void)unused;
	begin(&b);
	buf_init(&text, 1 << 20);
	buf_puts(&text, "Subject: x\r\n\r\n");
	for (int i = 0; i < 100000; i++)
		buf_putc(&text, "abcdefghijklmnopqrstuvwxyz0123456789+/"[dice(38)]);
	buf_puts(&text, "theneedle");
	arrive(&b, (const char *)buf_data(&text), text.len);
	arrive(&b, "A: b\r\n\r\nfoobar", 14);
	buf_free(&text);
	work(&b);
	assert_int_equal(search(&b, true, "TEXT theneedle", 14, uids), 1);
	assert_int_equal(uids[0], 1);
	assert_int_equal(search(&b, true, "TEXT foobar", 11, uids), 1);
	assert_int_equal(opened, 2);
	assert_true(state(&b).bytes < 2 * 4096 + 100);
	box_free(&b);
}

/* No message is taken up before it is safe: its number may come again. */
static void
test_only_stable(void **unused)
{
	struct box b;

	(void)unused;
	begin(&b);
	fill(&b, 10);
	assert_false(search_index_work(b.x));
	assert_int_equal(state(&b).documents, 0);
	work(&b);
	assert_int_equal(state(&b).documents, 10);
	box_free(&b);
}

/* While a search goes on segments are made, merged, thrown away. */
static void
test_changes_below(void **unused)
{
	struct search_probe *p;
	struct model *m;
	struct box b;

	(void)unused;
	begin(&b);
	fill(&b, 300);
	p = search_probe_new(b.x, STR("foobar"));
	assert_null(search_probe_new(b.x, STR("fo")));
	for (int round = 0; round < 40; round++) {
		arrive(&b, "A: b\r\n\r\nfoobar", 14);
		fill(&b, 1);
		work(&b);
		m = store_model(b.s);
		for (uint32_t i = 0; i < m->ncontents; i++) {
			bool may = search_probe_may(b.x, p, m->contents[i].email);

			if (m->contents[i].size == 14)
				assert_true(may);
		}
		assert_false(search_probe_may(b.x, p, m->last_email));
	}
	assert_true(state(&b).segments < 20);
	search_probe_free(b.x, &p);
	box_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_scan),
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_older_mailbox),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_only_stable),
		cmocka_unit_test(test_changes_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
