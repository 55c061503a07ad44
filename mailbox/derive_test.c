/* SPDX-License-Identifier: ISC */
/* The index beside the journal: the same answers with it, without it, and whatever became of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "db/db.h"
#include "imap/facts.h"
#include "imap/structure.h"
#include "mailbox/checkpoint.h"
#include "mailbox/index.h"
#include "mailbox/store_priv.h"

#ifdef POSTERN_SANITIZE
/* Berkeley DB frees nothing of an environment that met a bad page. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}
#endif

static char path[64], home[80];
static int dirfd_;
static struct store *s;
static uint64_t clock_ms = 1700000000000;
static char said[65536]; /* reports since the last look */

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return clock_ms += 7;
}

static void
report(void *arg, const char *line)
{
	size_t n = strlen(said);

	(void)arg;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static void
box_open(void)
{
	const struct store_config config = {
		.dirfd = dirfd_, .index = home, .now_ms = now_ms, .report = report, .note = report
	};

	said[0] = 0;
	assert_int_equal(store_open(&config, &s), STORE_OK);
}

static int
setup(void **state)
{
	(void)state;
	strcpy(path, "/tmp/derive-test-XXXXXX");
	assert_non_null(mkdtemp(path));
	snprintf(home, sizeof(home), "%s/index", path);
	dirfd_ = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	box_open();
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	store_close(&s);
	close(dirfd_);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command);
}

static struct folder *
inbox(void)
{
	return model_folder_named(store_model(s), STR("INBOX"));
}

/* A message with a structure; every 50th is so large that it has a file of its own. */
static char *
text_of(unsigned seed)
{
	size_t room = seed % 50 == 7 ? 140000 : seed % 3000, n;
	char *text = xcalloc(1, room + 1000);

	n = (size_t)sprintf(text,
	    "From: \"P %u\" <p%u@example.test>\r\nSubject: number %u\r\nReferences: <%u@x> <a@x>\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n",
	    seed, seed, seed, seed / 2);
	memset(text + n, 'x', room);
	strcpy(text + n + room, "\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n");
	return text;
}

static uint32_t
arrive(unsigned seed)
{
	char *text = text_of(seed);
	struct store_arrival a = { .seconds = 1600000000, .size = strlen(text), .thread = seed };
	uint32_t uid;

	if (a.size > JOURNAL_INLINE_MAX) {
		assert_int_equal(store_large_new(s, &a.large), 0);
		assert_int_equal(store_large_write(a.large, text, a.size), 0);
		free(text);
	} else {
		a.bytes = (uint8_t *)text;
	}
	assert_int_equal(store_arrive(s, inbox(), &a, 1, &uid), 0);
	return uid;
}

static void
fill(unsigned from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		arrive(from + i);
		if (i % 10 == 9) {
			store_sync(s);
			store_turn_late(s);
		}
	}
	store_sync(s);
}

static void
tidy(void)
{
	while (store_tidy(s)) {
	}
}

/* What the record of a message must be: made from its content. */
static void
record_want(uint32_t uid, struct buf *out)
{
	struct arena *a = arena_new(IMAP_STRUCTURE_ARENA);
	struct mime_tree t = { 0 };
	struct store_content c;
	struct str msg;

	assert_int_equal(store_content(s, inbox(), uid, &c), 0);
	msg = str_from(c.p, c.n);
	mime_parse(msg, &t);
	assert_int_equal(imap_facts_put(out, msg, &t, a), 0);
	store_content_release(s, &c);
	mime_tree_free(&t);
	arena_free(&a);
}

/* How many messages have a record; those that are there must be right. */
static unsigned
known(void)
{
	struct folder *f = inbox();
	struct buf have, want;
	unsigned n = 0;

	buf_init(&have, IMAP_FACTS_MAX);
	buf_init(&want, IMAP_FACTS_MAX);
	for (uint32_t i = 0; i < f->n; i++) {
		buf_clear(&have);
		buf_clear(&want);
		if (store_facts(s, f, f->messages[i].uid, &have) != 0)
			continue;
		record_want(f->messages[i].uid, &want);
		assert_int_equal(have.len, want.len);
		assert_memory_equal(buf_data(&have), buf_data(&want), want.len);
		n++;
	}
	buf_free(&have);
	buf_free(&want);
	return n;
}

static void
expunge(uint32_t from, uint32_t to)
{
	for (uint32_t uid = from; uid <= to; uid++)
		assert_int_equal(store_expunge(s, inbox(), &uid, 1), 0);
	assert_int_equal(store_sync(s), 0);
}

static void
kill_and_open(void)
{
	store_abandon(&s);
	box_open();
}

/* At once after arrival, but for what has a file of its own: that comes later. */
static void
test_filled_at_arrival(void **state)
{
	(void)state;
	fill(0, 200);
	assert_int_equal(known(), 196);
	tidy();
	assert_int_equal(known(), 200);
	assert_int_equal(index_count(s->derive.index), 200);
	store_close(&s);
	box_open();
	assert_int_equal(known(), 200);
	tidy();
	assert_string_equal(said, ""); /* nothing was read again */
	expunge(1, 150);
	tidy();
	assert_int_equal(known(), 50);
	assert_int_equal(index_count(s->derive.index), 50);
}

/* An arrival can be asked about in the same turn, before anything was written. */
static void
test_same_turn(void **state)
{
	struct buf b;
	uint32_t uid;

	(void)state;
	buf_init(&b, IMAP_FACTS_MAX);
	uid = arrive(1);
	assert_int_equal(store_facts(s, inbox(), uid, &b), 0);
	assert_true(b.len > 0);
	assert_int_equal(store_facts(s, inbox(), uid + 1, &b), STORE_NONE);
	buf_free(&b);
	/* ... and is lost with the process: the index knows too much then, and that does no harm */
	kill_and_open();
	assert_int_equal(inbox()->n, 0);
	arrive(2);
	store_sync(s);
	assert_int_equal(known(), 1);
}

/* Nothing is made from a message before its answer is on the way; what is asked about, gone, killed or written to
 * the index meanwhile is right all the same. */
static void
test_waiting(void **state)
{
	(void)state;
	fill(0, 10);
	tidy();
	for (unsigned i = 0; i < 5; i++)
		arrive(100 + i);
	assert_int_equal(store_sync(s), 0);
	assert_int_equal(s->derive.nwaits, 5);
	assert_int_equal(index_pending(s->derive.index), 0);
	expunge(11, 12);
	assert_int_equal(s->derive.nwaits, 3);
	store_turn_late(s);
	assert_int_equal(s->derive.nwaits, 0);
	assert_true(index_pending(s->derive.index) > 0);
	assert_int_equal(known(), 13);
	assert_int_equal(index_count(s->derive.index), 13);
	arrive(200);
	assert_int_equal(store_sync(s), 0);
	kill_and_open();
	tidy();
	assert_non_null(strstr(said, "what=index-filled messages=1"));
	assert_int_equal(known(), 14);
	/* more than may wait */
	for (unsigned i = 0; i < DERIVE_WAIT_MESSAGES + 3; i++)
		arrive(300 + i % 5);
	assert_int_equal(s->derive.nwaits, 3);
	assert_int_equal(store_sync(s), 0);
	store_close(&s);
	box_open();
	assert_int_equal(known(), 14 + DERIVE_WAIT_MESSAGES + 3);
	tidy();
	assert_string_equal(said, "");
}

/* The index is written although a message waits that is on stable storage already: the stamp must not say of it that
 * it has its record when it has none. */
static void
test_written_while_waiting(void **state)
{
	static const char left_behind[1000];
	uint64_t stable;

	(void)state;
	fill(0, 10);
	tidy();
	arrive(100);
	assert_int_equal(store_sync(s), 0);
	for (uint64_t email = 1000; index_pending(s->derive.index) <= INDEX_PENDING_MAX; email++)
		index_put(s->derive.index, email, str_from(left_behind, sizeof(left_behind)));
	assert_int_equal(s->derive.nwaits, 1);
	stable = s->m->last_email;
	arrive(101);
	assert_int_equal(index_pending(s->derive.index), 0);
	assert_int_equal(index_complete(s->derive.index), stable);
	kill_and_open();
	tidy();
	assert_int_equal(known(), 11);
}

/* What waited in memory is read again after a kill. */
static void
test_kill(void **state)
{
	(void)state;
	fill(0, 40);
	tidy();
	for (unsigned i = 0; i < 30; i++)
		arrive(100 + i);
	expunge(1, 5);
	kill_and_open();
	assert_int_equal(inbox()->n, 65);
	assert_true(known() < 65);
	tidy();
	assert_int_equal(known(), 65);
	assert_non_null(strstr(said, "what=index-filled messages=30"));
}

static void
test_deleted(void **state)
{
	(void)state;
	fill(0, 120);
	tidy();
	store_close(&s);
	assert_int_equal(db_remove_index(home), 0);
	box_open();
	assert_int_equal(known(), 0);
	tidy();
	assert_int_equal(known(), 120);
	/* while it is open */
	derive_clear(s);
	assert_int_equal(known(), 0);
	tidy();
	assert_int_equal(known(), 120);
}

/* A copy of the index from before: older than the journal. */
static void
test_older(void **state)
{
	char command[256];

	(void)state;
	fill(0, 60);
	tidy();
	store_close(&s);
	snprintf(command, sizeof(command), "cp -r %s %s/old", home, path);
	assert_int_equal(system(command), 0);
	box_open();
	fill(60, 60);
	tidy();
	store_close(&s);
	snprintf(command, sizeof(command), "rm -r %s && mv %s/old %s", home, path, home);
	assert_int_equal(system(command), 0);
	box_open();
	assert_int_equal(known(), 60);
	tidy();
	assert_int_equal(known(), 120);
	assert_non_null(strstr(said, "what=index-filled messages=60"));
}

/* The journal is older than the index. */
static void
test_newer(void **state)
{
	char command[512];

	(void)state;
	fill(0, 20);
	store_close(&s);
	snprintf(command, sizeof(command),
	    "cd %s && mkdir old && cp *.seg checkpoint lock reserve old", path);
	assert_int_equal(system(command), 0);
	box_open();
	fill(20, 20);
	tidy();
	store_close(&s);
	snprintf(command, sizeof(command),
	    "cd %s && rm *.seg checkpoint && cp old/* . && rm -r old", path);
	assert_int_equal(system(command), 0);
	box_open();
	known();
	assert_int_equal(inbox()->n, 20);
	tidy();
	assert_non_null(strstr(said, "what=index-disagrees"));
	assert_int_equal(known(), 20);
	assert_int_equal(index_count(s->derive.index), 20);
}

/* Bytes are flipped all over its files: found, begun anew, never a wrong answer. */
static void
test_damaged(void **state)
{
	(void)state;
	fill(0, 300);
	tidy();
	for (unsigned round = 0; round < 12; round++) {
		char name[96];
		struct stat st;
		int fd;

		store_close(&s);
		snprintf(name, sizeof(name), "%s/data.db", home);
		fd = open(name, O_RDWR);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		for (off_t at = round * 517; at < st.st_size; at += 4099 + round * 1000) {
			uint8_t c;

			assert_int_equal(pread(fd, &c, 1, at), 1);
			c ^= (uint8_t)(1 << round % 8);
			assert_int_equal(pwrite(fd, &c, 1, at), 1);
		}
		close(fd);
		box_open();
		known();
		tidy();
		known();
		tidy();
		assert_int_equal(known(), 300);
		assert_non_null(strstr(said, "what=index-unusable"));
	}
}

/* A file of a newer or strange program, or a directory that cannot be made. */
static void
test_unusable(void **state)
{
	struct buf why;
	struct db *db;
	int fd;

	(void)state;
	fill(0, 10);
	store_close(&s);
	assert_int_equal(db_remove_index(home), 0);
	buf_init(&why, 256);
	assert_int_equal(db_open_index(home, INDEX_FORMAT + 1, &db, &why), 0);
	db_close(&db);
	buf_free(&why);
	box_open();
	tidy();
	assert_int_equal(known(), 10);
	assert_non_null(strstr(said, "newer version"));
	store_close(&s);
	assert_int_equal(db_remove_index(home), 0);
	assert_int_equal(rmdir(home), 0);
	fd = open(home, O_WRONLY | O_CREAT, 0600);
	close(fd);
	box_open();
	fill(10, 20);
	tidy();
	assert_int_equal(known(), 0);
	assert_non_null(strstr(said, "what=index-unavailable"));
	assert_int_equal(unlink(home), 0);
	store_close(&s);
	box_open();
	tidy();
	assert_int_equal(known(), 30);
}

/* Records of what is gone do not pile up, whatever crashes leave behind. */
static void
test_stale(void **state)
{
	(void)state;
	fill(0, 10);
	tidy();
	for (uint64_t email = 1; email <= INDEX_STALE_MAX + 31; email++)
		index_put(s->derive.index, email, STR("left behind"));
	index_flush(s->derive.index, index_complete(s->derive.index));
	assert_int_equal(index_count(s->derive.index), INDEX_STALE_MAX + 41);
	arrive(11);
	store_sync(s);
	tidy();
	assert_int_equal(index_count(s->derive.index), 11);
	assert_int_equal(known(), 11);
}

/* Files are closed when nothing happens, and opened again. */
static void
test_rest(void **state)
{
	(void)state;
	fill(0, 10);
	tidy();
	store_rest(s);
	assert_int_equal(known(), 10);
	tidy();
	store_rest(s);
	expunge(1, 3);
	tidy();
	assert_int_equal(known(), 7);
}

/* Bytes on disk of all files but the index. */
static uint64_t
disk_use(void)
{
	DIR *d = opendir(path);
	struct dirent *e;
	uint64_t n = 0;

	while ((e = readdir(d)) != NULL) {
		struct stat st;

		if (fstatat(dirfd_, e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
			n += (uint64_t)st.st_blocks * 512;
	}
	closedir(d);
	return n;
}

/* After most of a large folder was expunged the disk is given back; what stays is whole. */
static void
test_space_returns(void **state)
{
	enum { N = 12000, KEEP = 20 };
	uint32_t *gone = xcalloc(N, sizeof(*gone));
	uint64_t before, after;
	size_t n = 0;

	(void)state;
	fill(0, N);
	tidy();
	before = disk_use();
	for (uint32_t i = 0; i < N; i++)
		if (i % KEEP != 0)
			gone[n++] = inbox()->messages[i].uid;
	assert_int_equal(store_expunge(s, inbox(), gone, n), 0);
	assert_int_equal(store_sync(s), 0);
	tidy();
	assert_int_equal(store_sync(s), 0);
	after = disk_use();
	print_message("space: %llu KiB before, %llu KiB after\n", (unsigned long long)before / 1024,
	    (unsigned long long)after / 1024);
	assert_true(after < before / 3);
	assert_int_equal(known(), N / KEEP);
	assert_int_equal(index_count(s->derive.index), N / KEEP);
	kill_and_open();
	assert_int_equal(known(), N / KEEP);
	free(gone);
}

/* Random arrivals, expunges, kills and losses. */
static void
test_random(void **state)
{
	unsigned seed = (unsigned)getpid(), n = 0;

	(void)state;
	print_message("seed %u\n", seed);
	srandom(seed);
	for (unsigned i = 0; i < 400; i++) {
		unsigned what = (unsigned)random() % 20;
		struct folder *f = inbox();

		if (what < 12)
			fill(n, (unsigned)random() % 5), n += 5;
		else if (what < 15 && f->n > 0)
			expunge(f->messages[f->n / 2].uid, f->messages[f->n / 2].uid);
		else if (what == 15)
			tidy();
		else if (what == 16)
			store_rest(s);
		else if (what == 17)
			kill_and_open();
		else if (what == 18)
			store_tidy(s);
		else if (i % 5 == 0)
			derive_clear(s);
		assert_true(known() <= inbox()->n);
	}
	tidy();
	assert_int_equal(known(), inbox()->n);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_filled_at_arrival),
		CASE(test_same_turn),
		CASE(test_waiting),
		CASE(test_written_while_waiting),
		CASE(test_kill),
		CASE(test_deleted),
		CASE(test_older),
		CASE(test_newer),
		CASE(test_damaged),
		CASE(test_unusable),
		CASE(test_stale),
		CASE(test_rest),
		CASE(test_space_returns),
		CASE(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
