/* SPDX-License-Identifier: ISC */
/* The store on real directories: what was promised is there after close, kill and compaction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "mailbox/checkpoint.h"
#include "mailbox/store_priv.h"
#include "mailbox/thread.h"

/* --- a directory, a clock, messages ------------------------------------------------------------
 */

struct box {
	char path[64];
	int dirfd;
	struct store *s;
};

static uint64_t clock_ms = 1700000000000;
static size_t segment_bytes, state_min; /* small ones: more compaction */
static unsigned reports;
/* What is about crashes and space runs twice: without compression, and with it switched on and off at each
 * opening. */
static bool packing, plain_now;

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
	if (getenv("VERBOSE") != NULL)
		fprintf(stderr, "# %s\n", line);
}

static void
box_open(struct box *b)
{
	const struct store_config config = { .dirfd = b->dirfd,
		.now_ms = now_ms,
		.report = report,
		.segment_bytes = segment_bytes,
		.state_min = state_min,
		.compress = packing && !plain_now };

	plain_now = !plain_now;
	assert_int_equal(store_open(&config, &b->s), STORE_OK);
}

static void
box_new(struct box *b)
{
	strcpy(b->path, "/tmp/mailbox-test-XXXXXX");
	assert_non_null(mkdtemp(b->path));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(b->dirfd >= 0);
	box_open(b);
}

static void
box_free(struct box *b)
{
	DIR *d;
	struct dirent *e;

	store_close(&b->s);
	d = opendir(b->path);
	while ((e = readdir(d)) != NULL)
		unlinkat(b->dirfd, e->d_name, 0);
	closedir(d);
	close(b->dirfd);
	rmdir(b->path);
}

enum reopen { CLOSE, KILL, KILL_NO_CHECKPOINT };

static void
box_reopen(struct box *b, enum reopen how)
{
	if (how == CLOSE)
		store_close(&b->s);
	else
		store_abandon(&b->s);
	if (how == KILL_NO_CHECKPOINT)
		unlinkat(b->dirfd, CHECKPOINT_NAME, 0);
	box_open(b);
}

static struct folder *
folder(struct box *b, const char *name)
{
	return model_folder_named(store_model(b->s), str_of(name));
}

/* The content of test message `seed`: its size and bytes follow from it. */
static size_t
content_size(uint32_t seed)
{
	if (seed % 97 == 0)
		return 200000 + seed % 1000;
	return seed % 5 == 0 ? 20 : 100 + seed % 9000;
}

static void
content_fill(uint32_t seed, uint8_t *p, size_t n)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		/* Half of them can be compressed. */
		p[i] = (uint8_t)(seed % 2 ? x >> 24 : 'a' + (x >> 30));
	}
	if (n >= 4)
		memcpy(p, &seed, 4);
}

static struct store_arrival
message(struct box *b, uint32_t seed)
{
	struct store_arrival a = {
		.seconds = 1600000000 + seed, .zone = 60, .size = content_size(seed), .thread = seed
	};

	a.bytes = xmalloc(a.size);
	content_fill(seed, a.bytes, a.size);
	if (a.size > JOURNAL_INLINE_MAX) {
		assert_int_equal(store_large_new(b->s, &a.large), 0);
		assert_int_equal(store_large_write(a.large, a.bytes, a.size), 0);
		free(a.bytes);
		a.bytes = NULL;
	}
	return a;
}

static uint32_t
add(struct box *b, struct folder *f, uint32_t seed)
{
	struct store_arrival a = message(b, seed);
	uint32_t uid;

	assert_int_equal(store_arrive(b->s, f, &a, 1, &uid), 0);
	assert_null(a.bytes);
	assert_null(a.large);
	return uid;
}

static void
check_content(struct box *b, struct folder *f, uint32_t uid, uint32_t seed)
{
	struct store_content c;
	uint8_t *want = xmalloc(content_size(seed));

	content_fill(seed, want, content_size(seed));
	assert_int_equal(store_content(b->s, f, uid, &c), 0);
	assert_int_equal(c.n, content_size(seed));
	assert_memory_equal(c.p, want, c.n);
	store_content_release(b->s, &c);
	free(want);
}

/* --- tests -------------------------------------------------------------------------------------
 */

static void
test_new(void **state)
{
	static const char *const names[] = { "Archive", "Drafts", "INBOX", "Junk", "Sent",
		"Trash" };
	struct box b;
	uint32_t validity[6];

	(void)state;
	box_new(&b);
	for (int round = 0; round < 3; round++) {
		const struct model *m = store_model(b.s);

		assert_int_equal(m->nnames, 6);
		for (uint32_t i = 0; i < 6; i++) {
			assert_string_equal(m->names[i].name, names[i]);
			assert_true(m->names[i].subscribed);
			assert_non_null(m->names[i].folder);
			if (round > 0)
				assert_int_equal(m->names[i].folder->uidvalidity, validity[i]);
			validity[i] = m->names[i].folder->uidvalidity;
			assert_int_equal(m->names[i].folder->special == 0, i == 2);
		}
		box_reopen(&b, (enum reopen)round);
	}
	box_free(&b);
}

static void
test_messages(void **state)
{
	struct box b;
	struct folder *f;
	uint64_t email[3], modseq;
	int64_t index;

	(void)state;
	box_new(&b);
	f = folder(&b, "INBOX");
	assert_int_equal(add(&b, f, 1), 1);
	assert_int_equal(add(&b, f, 2), 2);
	assert_int_equal(add(&b, f, 97), 3);
	assert_int_equal(store_turn(b.s), 0);
	for (uint32_t i = 0; i < 3; i++)
		email[i] = store_model(b.s)->contents[f->messages[i].content].email;
	assert_true(email[0] < email[1] && email[1] < email[2]);
	modseq = store_model(b.s)->modseq;
	for (int how = CLOSE; how <= KILL_NO_CHECKPOINT; how++) {
		box_reopen(&b, (enum reopen)how);
		f = folder(&b, "INBOX");
		assert_int_equal(f->n, 3);
		assert_int_equal(f->unseen, 3);
		assert_int_equal(f->uidnext, 4);
		assert_int_equal(f->bytes, content_size(1) + content_size(2) + content_size(97));
		assert_true(store_model(b.s)->modseq >= modseq);
		for (uint32_t i = 0; i < 3; i++) {
			const struct content *c;

			index = model_content_find(store_model(b.s), email[i]);
			assert_true(index >= 0);
			c = &store_model(b.s)->contents[index];
			assert_int_equal(c->seconds, 1600000000 + (i == 2 ? 97 : i + 1));
			assert_int_equal(c->quarters, 4);
			assert_int_equal(c->thread, i == 2 ? 97 : i + 1);
			check_content(&b, f, i + 1, i == 2 ? 97 : i + 1);
		}
	}
	box_free(&b);
}

static int calls;

static void
on_stable(void *arg)
{
	(void)arg;
	calls++;
}

static void
test_promises(void **state)
{
	struct box b;
	struct folder *f;
	struct rec_run run = { 1, 1, 1 };

	(void)state;
	box_new(&b);
	f = folder(&b, "INBOX");
	calls = 0;
	add(&b, f, 1);
	store_wait(b.s, on_stable, &b);
	assert_int_equal(calls, 0);
	assert_int_equal(store_turn(b.s), 0);
	assert_int_equal(calls, 1);
	assert_false(store_unsynced(b.s));
	/* A flag change is written at the end of the turn, and synced later. */
	assert_int_equal(store_flags(b.s, f, &run, 1), 0);
	assert_int_equal(store_turn(b.s), 0);
	assert_true(store_unsynced(b.s));
	box_reopen(&b, KILL);
	f = folder(&b, "INBOX");
	assert_int_equal(f->unseen, 0);
	assert_int_equal(message_flags(&f->messages[0]), 1);
	/* What was not written is not there. */
	add(&b, f, 2);
	box_reopen(&b, KILL);
	assert_int_equal(folder(&b, "INBOX")->n, 1);
	box_free(&b);
}

static void
test_modseq_never_twice(void **state)
{
	struct box b;
	struct rec_run run = { 1, 1, 0 };
	uint64_t last = 0;

	(void)state;
	box_new(&b);
	add(&b, folder(&b, "INBOX"), 1);
	for (int i = 0; i < 20; i++) {
		struct folder *f = folder(&b, "INBOX");

		run.flags = (uint64_t)(i & 1);
		assert_int_equal(store_flags(b.s, f, &run, 1), 0);
		if (i > 1)
			assert_true(f->highest > last);
		last = f->highest;
		store_turn(b.s);
		box_reopen(&b, (enum reopen)(i % 3));
	}
	/* Orderly ends give the unused part of a block back. */
	box_reopen(&b, CLOSE);
	last = store_model(b.s)->modseq;
	box_reopen(&b, CLOSE);
	assert_int_equal(store_model(b.s)->modseq, last);
	box_free(&b);
}

/* The journal's one segment, as the disk has it; or made so again. */
static size_t
segment_copy(struct box *b, uint8_t *bytes, size_t room, bool restore)
{
	int fd = openat(b->dirfd, "0000000000000001.seg", O_RDWR);
	ssize_t n;

	assert_true(fd >= 0);
	n = restore ? pwrite(fd, bytes, room, 0) : pread(fd, bytes, room, 0);
	assert_true(n > 0);
	close(fd);
	return (size_t)n;
}

/* Power is lost: what was not synced is gone. What clients were told must not be told again. */
static void
test_power_loss(void **state)
{
	enum { ROOM = 1 << 20 };
	struct rec_run run = { 1, 1, 1 };
	uint8_t *disk = xcalloc(1, ROOM);
	struct box b;
	uint64_t told;
	size_t n;

	(void)state;
	box_new(&b);
	add(&b, folder(&b, "INBOX"), 1);
	assert_int_equal(store_flags(b.s, folder(&b, "INBOX"), &run, 1), 0);
	assert_int_equal(store_sync(b.s), 0);
	n = segment_copy(&b, disk, ROOM, false);
	for (uint64_t i = 0; i < 10; i++) {
		run.flags = i & 1;
		assert_int_equal(store_flags(b.s, folder(&b, "INBOX"), &run, 1), 0);
		assert_int_equal(store_turn(b.s), 0);
		assert_true(store_unsynced(b.s));
	}
	told = folder(&b, "INBOX")->highest;
	store_abandon(&b.s);
	segment_copy(&b, disk, n, true);
	box_open(&b);
	assert_int_equal(message_flags(&folder(&b, "INBOX")->messages[0]), 1);
	run.flags = 4;
	assert_int_equal(store_flags(b.s, folder(&b, "INBOX"), &run, 1), 0);
	assert_true(folder(&b, "INBOX")->highest > told);
	free(disk);
	box_free(&b);
}

/* BEGIN without END: nothing before it may be dropped. */
static void
test_again_cut_off(void **state)
{
	enum { KEPT = 20, JUNK = 300 };
	struct box b;
	struct folder *f;
	uint32_t uids[JUNK];

	(void)state;
	segment_bytes = 64 * 1024;
	box_new(&b);
	f = folder(&b, "INBOX");
	for (uint32_t i = 1; i <= KEPT; i++)
		add(&b, f, 8001 + 5 * i); /* large: their segments stay */
	store_turn(b.s);
	for (uint32_t i = 1; i <= JUNK; i++) {
		struct rec_run run = { 1 + i % KEPT, 1 + i % KEPT, 16 };

		uids[i - 1] = add(&b, f, i * 5 + 1);
		assert_int_equal(store_flags(b.s, f, &run, 1), 0);
		store_turn(b.s);
	}
	rec_put_mark(store_record(b.s), 1000);
	assert_int_equal(store_emit(b.s, REC_BEGIN, true), 0);
	store_turn(b.s);
	box_reopen(&b, KILL);
	f = folder(&b, "INBOX");
	assert_int_equal(store_expunge(b.s, f, uids, JUNK), 0);
	store_turn(b.s);
	while (store_tidy(b.s))
		;
	box_reopen(&b, KILL_NO_CHECKPOINT);
	f = folder(&b, "INBOX");
	assert_int_equal(f->n, KEPT);
	for (uint32_t i = 0; i < KEPT; i++)
		assert_int_equal(message_flags(&f->messages[i]), 16);
	segment_bytes = 0;
	box_free(&b);
}

static void
test_folders(void **state)
{
	struct box b;
	uint32_t validity;

	(void)state;
	box_new(&b);
	assert_int_equal(store_create(b.s, STR("a/b/c"), 0), 0);
	assert_non_null(folder(&b, "a"));
	assert_non_null(folder(&b, "a/b"));
	assert_int_equal(store_create(b.s, STR("a/b"), 0), STORE_EXISTS);
	assert_int_equal(store_delete(b.s, STR("a")), STORE_CHILDREN);
	assert_int_equal(store_delete(b.s, STR("INBOX")), STORE_CANNOT);
	assert_int_equal(store_delete(b.s, STR("nothing")), STORE_NONE);
	assert_int_equal(store_subscribe(b.s, STR("a/b"), true), 0);
	add(&b, folder(&b, "a/b/c"), 5);
	validity = folder(&b, "a/b/c")->uidvalidity;
	assert_int_equal(store_rename(b.s, STR("a"), STR("a/x")), STORE_CANNOT);
	assert_int_equal(store_rename(b.s, STR("a"), STR("Sent")), STORE_EXISTS);
	assert_int_equal(store_rename(b.s, STR("a"), STR("z/y")), 0);
	store_turn(b.s);
	for (int how = CLOSE; how <= KILL_NO_CHECKPOINT; how++) {
		const struct model *m = store_model(b.s);
		bool found;
		uint32_t at = model_name_place(m, STR("a/b"), &found);

		assert_true(found && m->names[at].subscribed && m->names[at].folder == NULL);
		assert_null(folder(&b, "a"));
		assert_non_null(folder(&b, "z"));
		assert_int_equal(folder(&b, "z/y/b/c")->uidvalidity, validity);
		check_content(&b, folder(&b, "z/y/b/c"), 1, 5);
		box_reopen(&b, (enum reopen)how);
	}
	assert_int_equal(store_delete(b.s, STR("z/y/b/c")), 0);
	assert_int_equal(store_model(b.s)->live_contents, 0);
	assert_int_equal(store_create(b.s, STR("z/y/b/c"), 0), 0);
	assert_true(folder(&b, "z/y/b/c")->uidvalidity > validity);
	box_free(&b);
}

static void
test_copy_move(void **state)
{
	struct box b;
	struct folder *from, *to;
	uint32_t uids[] = { 1, 3 }, first;
	struct rec_run run = { 1, 1, 0 };

	(void)state;
	box_new(&b);
	from = folder(&b, "INBOX");
	to = folder(&b, "Archive");
	for (uint32_t i = 1; i <= 3; i++)
		add(&b, from, i);
	run.flags = (uint64_t)1 << (8 + store_keyword(b.s, from, STR("blue")));
	store_keyword(b.s, to, STR("other"));
	assert_int_equal(store_flags(b.s, from, &run, 1), 0);
	assert_int_equal(store_copy(b.s, from, uids, 2, to, false, &first), 0);
	assert_int_equal(first, 1);
	assert_int_equal(store_copy(b.s, from, uids, 2, to, true, &first), 0);
	assert_int_equal(first, 3);
	store_turn(b.s);
	for (int how = CLOSE; how <= KILL_NO_CHECKPOINT; how++) {
		from = folder(&b, "INBOX");
		to = folder(&b, "Archive");
		assert_int_equal(from->n, 1);
		assert_int_equal(to->n, 4);
		assert_int_equal(store_model(b.s)->live_contents, 3);
		assert_int_equal(message_flags(&to->messages[0]), (uint64_t)1 << 9);
		assert_string_equal(to->keywords[1], "blue");
		for (uint32_t i = 0; i < 4; i++)
			check_content(&b, to, i + 1, i % 2 == 0 ? 1 : 3);
		box_reopen(&b, (enum reopen)how);
	}
	box_free(&b);
}

static void
test_delivery_once(void **state)
{
	struct box b;
	struct store_arrival a;
	uint32_t uid;
	const struct model_delivery *d;

	(void)state;
	box_new(&b);
	for (uint64_t n = 1; n <= 200; n++) {
		a = message(&b, (uint32_t)n);
		a.delivered = true;
		a.number = n;
		a.origin = n * 31;
		assert_int_equal(store_arrive(b.s, folder(&b, "INBOX"), &a, 1, &uid), 0);
	}
	store_floor(b.s, 100);
	uid = 150;
	assert_int_equal(store_expunge(b.s, folder(&b, "INBOX"), &uid, 1), 0);
	store_turn(b.s);
	for (int how = CLOSE; how <= KILL_NO_CHECKPOINT; how++) {
		struct model *m = store_model(b.s);

		assert_null(model_delivered(m, 99, 99 * 31));
		assert_null(model_delivered(m, 100, 5));
		assert_non_null(d = model_delivered(m, 150, 150 * 31));
		assert_int_equal(d->uid, 150);
		box_reopen(&b, (enum reopen)how);
	}
	/* After a restore all are known, and numbers given since the backup cannot come again. */
	uid = folder(&b, "INBOX")->uidnext;
	close(openat(b.dirfd, STORE_DEDUPE_ALL, O_WRONLY | O_CREAT, 0600));
	box_reopen(&b, CLOSE);
	assert_non_null(model_delivered(store_model(b.s), 1, 31));
	assert_int_equal(folder(&b, "INBOX")->uidnext, uid + STORE_RESTORE_UIDS);
	box_reopen(&b, CLOSE);
	assert_non_null(model_delivered(store_model(b.s), 1, 31));
	assert_int_equal(folder(&b, "INBOX")->uidnext, uid + STORE_RESTORE_UIDS);
	assert_int_equal(faccessat(b.dirfd, STORE_DEDUPE_ALL, F_OK, 0), -1);
	store_floor(b.s, 201);
	assert_int_equal(faccessat(b.dirfd, STORE_RESTORED, F_OK, 0), -1);
	box_free(&b);
}

static int
large_files(const struct box *b)
{
	DIR *d = opendir(b->path);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL)
		n += strstr(e->d_name, ".big") != NULL;
	closedir(d);
	return n;
}

/* Large content goes when the record that takes it back is on stable storage, not before. */
static void
test_large_goes_late(void **state)
{
	struct box b;
	struct folder *f;
	uint32_t uid;

	(void)state;
	box_new(&b);
	f = folder(&b, "INBOX");
	uid = add(&b, f, 97);
	assert_int_equal(store_sync(b.s), 0);
	assert_int_equal(large_files(&b), 1);
	assert_int_equal(store_expunge(b.s, f, &uid, 1), 0);
	assert_int_equal(store_flush(b.s), 0);
	assert_int_equal(large_files(&b), 1);
	assert_int_equal(store_sync(b.s), 0);
	assert_int_equal(large_files(&b), 0);
	box_free(&b);
}

static void
test_append_all_or_none(void **state)
{
	struct box b;
	struct store_arrival a[3];
	uint32_t first;

	(void)state;
	box_new(&b);
	for (uint32_t i = 0; i < 3; i++)
		a[i] = message(&b, 97 * i + 96);
	assert_int_equal(store_arrive(b.s, folder(&b, "Drafts"), a, 3, &first), 0);
	assert_int_equal(first, 1);
	store_turn(b.s);
	box_reopen(&b, KILL);
	assert_int_equal(folder(&b, "Drafts")->n, 3);
	for (uint32_t i = 0; i < 3; i++)
		check_content(&b, folder(&b, "Drafts"), i + 1, 97 * i + 96);
	box_free(&b);
}

static void
test_checkpoint_damage(void **state)
{
	struct box b;
	struct stat st;
	uint8_t byte;
	int fd;

	(void)state;
	box_new(&b);
	for (uint32_t i = 1; i <= 50; i++)
		add(&b, folder(&b, "INBOX"), i);
	store_turn(b.s);
	store_close(&b.s);
	fd = openat(b.dirfd, CHECKPOINT_NAME, O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = 0; at < st.st_size; at += at < 64 ? 1 : 211) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		reports = 0;
		box_open(&b);
		assert_int_equal(reports, 1);
		assert_int_equal(folder(&b, "INBOX")->n, 50);
		store_abandon(&b.s);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	/* A checkpoint of another time: what came since is read. */
	box_open(&b);
	assert_int_equal(reports, 1);
	for (uint32_t i = 51; i <= 5000; i++)
		add(&b, folder(&b, "INBOX"), i * 97 + 1);
	store_turn(b.s);
	box_reopen(&b, KILL);
	assert_int_equal(folder(&b, "INBOX")->n, 5000);
	check_content(&b, folder(&b, "INBOX"), 5000, 5000 * 97 + 1);
	check_content(&b, folder(&b, "INBOX"), 50, 50);
	box_free(&b);
}

/* --- damage ------------------------------------------------------------------------------------
 */

static void
test_damaged_table(void **state)
{
	struct box b;
	uint8_t byte;
	char name[64];
	int fd;

	(void)state;
	box_new(&b);
	for (uint32_t i = 1; i <= 10; i++)
		add(&b, folder(&b, i % 2 ? "INBOX" : "Sent"), i);
	store_turn(b.s);
	snprintf(name, sizeof(name), "%016llx.seg",
	    (unsigned long long)(store_model(b.s)->folders_ref.pos >> 32));
	fd = openat(b.dirfd, name, O_RDWR);
	assert_int_equal(
	    pread(fd, &byte, 1, (off_t)(store_model(b.s)->folders_ref.pos & UINT32_MAX) + 70), 1);
	byte ^= 1;
	assert_int_equal(
	    pwrite(fd, &byte, 1, (off_t)(store_model(b.s)->folders_ref.pos & UINT32_MAX) + 70), 1);
	close(fd);
	box_reopen(&b, KILL_NO_CHECKPOINT);
	assert_int_equal(folder(&b, "INBOX")->n, 5);
	assert_int_equal(folder(&b, "Recovered-5")->n, 5);
	check_content(&b, folder(&b, "Recovered-5"), 1, 2);
	box_free(&b);
}

/* --- random operations against a trivial model -------------------------------------------------
 */

enum { REF_FOLDERS = 12, REF_MESSAGES = 4000 };

struct ref_message {
	uint32_t uid, seed;
	uint64_t flags;
};
struct ref_folder {
	char name[32]; /* "": free */
	uint32_t uidvalidity, uidnext, n;
	struct ref_message messages[REF_MESSAGES];
};
struct ref {
	struct ref_folder folders[REF_FOLDERS];
	uint32_t seed;
};

static uint64_t rng;

static uint32_t
pick(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static struct ref_folder *
ref_pick(struct ref *r, bool free_one)
{
	for (;;) {
		struct ref_folder *f = &r->folders[pick(REF_FOLDERS)];

		if ((f->name[0] == '\0') == free_one)
			return f;
	}
}

static void
ref_begin(struct ref *r, struct box *b)
{
	const struct model *m = store_model(b->s);

	memset(r, 0, sizeof(*r));
	for (uint32_t i = 0; i < m->nnames; i++) {
		strcpy(r->folders[i].name, m->names[i].name);
		r->folders[i].uidvalidity = m->names[i].folder->uidvalidity;
		r->folders[i].uidnext = 1;
	}
}

static void
ref_compare(struct ref *r, struct box *b, bool contents)
{
	uint32_t folders = 0;

	for (int i = 0; i < REF_FOLDERS; i++) {
		struct ref_folder *f = &r->folders[i];
		struct folder *g;

		if (f->name[0] == '\0')
			continue;
		folders++;
		g = folder(b, f->name);
		assert_non_null(g);
		assert_int_equal(g->uidvalidity, f->uidvalidity);
		assert_int_equal(g->uidnext, f->uidnext);
		assert_int_equal(g->n, f->n);
		for (uint32_t k = 0; k < f->n; k++) {
			assert_int_equal(g->messages[k].uid, f->messages[k].uid);
			assert_int_equal(message_flags(&g->messages[k]), f->messages[k].flags);
			if (contents || pick(50) == 0)
				check_content(b, g, f->messages[k].uid, f->messages[k].seed);
		}
	}
	assert_int_equal(store_model(b->s)->nfolders, folders);
}

static void
op_add(struct ref *r, struct box *b)
{
	struct ref_folder *f = ref_pick(r, false);
	uint32_t n = 1 + pick(8);

	for (uint32_t i = 0; i < n && f->n < REF_MESSAGES / 2; i++) {
		uint32_t uid = add(b, folder(b, f->name), ++r->seed);

		assert_int_equal(uid, f->uidnext);
		f->messages[f->n++] = (struct ref_message){ f->uidnext++, r->seed, 0 };
	}
}

static void
op_flags(struct ref *r, struct box *b)
{
	struct ref_folder *f = ref_pick(r, false);
	struct rec_run runs[64];
	uint32_t n = 0;

	for (uint32_t k = pick(20); k < f->n && n < 64; k += 1 + pick(5)) {
		f->messages[k].flags = pick(32);
		runs[n++] = (struct rec_run){ f->messages[k].uid, f->messages[k].uid,
			f->messages[k].flags };
	}
	assert_int_equal(store_flags(b->s, folder(b, f->name), runs, n), 0);
}

static uint32_t
choose(const struct ref_folder *f, uint32_t *places, uint32_t *uids)
{
	uint32_t n = 0, step = 1 + pick(6);

	for (uint32_t k = pick(3); k < f->n && n < 500; k += 1 + pick(step)) {
		places[n] = k;
		uids[n++] = f->messages[k].uid;
	}
	return n;
}

static void
ref_remove(struct ref_folder *f, const uint32_t *places, uint32_t n)
{
	uint32_t kept = 0, at = 0;

	for (uint32_t k = 0; k < f->n; k++) {
		if (at < n && places[at] == k)
			at++;
		else
			f->messages[kept++] = f->messages[k];
	}
	f->n = kept;
}

static void
op_expunge(struct ref *r, struct box *b)
{
	struct ref_folder *f = ref_pick(r, false);
	uint32_t places[500], uids[500], n = choose(f, places, uids);

	assert_int_equal(store_expunge(b->s, folder(b, f->name), uids, n), 0);
	ref_remove(f, places, n);
}

static void
op_copy(struct ref *r, struct box *b)
{
	struct ref_folder *f = ref_pick(r, false), *to = ref_pick(r, false);
	uint32_t places[500], uids[500], n = choose(f, places, uids), first;
	bool move = pick(2);
	struct ref_message taken[500];

	if (n == 0 || to->n + n > REF_MESSAGES)
		return;
	for (uint32_t i = 0; i < n; i++)
		taken[i] = f->messages[places[i]];
	assert_int_equal(
	    store_copy(b->s, folder(b, f->name), uids, n, folder(b, to->name), move, &first), 0);
	assert_int_equal(first, to->uidnext);
	for (uint32_t i = 0; i < n; i++) {
		taken[i].uid = to->uidnext++;
		to->messages[to->n++] = taken[i];
	}
	if (move)
		ref_remove(f, places, n);
}

static void
op_folder(struct ref *r, struct box *b)
{
	struct ref_folder *f = ref_pick(r, false);
	char name[32];
	int free_ones = 0;

	for (int i = 0; i < REF_FOLDERS; i++)
		free_ones += r->folders[i].name[0] == '\0';
	snprintf(name, sizeof(name), "folder%u", ++r->seed);
	if (pick(2) && free_ones > 0) {
		f = ref_pick(r, true);
		assert_int_equal(store_create(b->s, str_of(name), 0), 0);
		f->n = 0;
		f->uidnext = 1;
		f->uidvalidity = folder(b, name)->uidvalidity;
		strcpy(f->name, name);
	} else if (strcmp(f->name, "INBOX") != 0 && pick(2) && free_ones < 9) {
		assert_int_equal(store_delete(b->s, str_of(f->name)), 0);
		f->name[0] = '\0';
	} else if (strcmp(f->name, "INBOX") != 0) {
		assert_int_equal(store_rename(b->s, str_of(f->name), str_of(name)), 0);
		strcpy(f->name, name);
	}
}

static void
step(struct ref *r, struct box *b)
{
	uint32_t what = pick(100);

	if (what < 45)
		op_add(r, b);
	else if (what < 65)
		op_flags(r, b);
	else if (what < 80)
		op_expunge(r, b);
	else if (what < 92)
		op_copy(r, b);
	else
		op_folder(r, b);
}

static void
random_run(uint64_t seed, unsigned steps)
{
	struct ref *r = xcalloc(1, sizeof(*r));
	struct box b;

	print_message("seed %llu\n", (unsigned long long)seed);
	rng = seed;
	box_new(&b);
	ref_begin(r, &b);
	for (unsigned i = 0; i < steps; i++) {
		step(r, &b);
		if (pick(3) == 0)
			assert_int_equal(store_turn(b.s), 0);
		if (pick(10) == 0)
			store_tidy(b.s);
		if (pick(200) == 0)
			store_again(b.s);
		if (pick(100) == 0) {
			assert_int_equal(store_turn(b.s), 0);
			box_reopen(&b, (enum reopen)pick(3));
			ref_compare(r, &b, false);
		}
	}
	assert_int_equal(store_turn(b.s), 0);
	for (int how = CLOSE; how <= KILL_NO_CHECKPOINT; how++) {
		box_reopen(&b, (enum reopen)how);
		ref_compare(r, &b, true);
	}
	box_free(&b);
	free(r);
}

static void
test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		random_run(seed, 1500);
	segment_bytes = 128 * 1024;
	state_min = 4096;
	for (uint64_t seed = 5; seed <= 8; seed++)
		random_run(seed, 1500);
	random_run((uint64_t)time(NULL), 1500);
	segment_bytes = state_min = 0;
}

/* Compaction in any order and number, also cut off in the middle, never changes what is there. */
static void
test_compaction(void **state)
{
	struct ref *r = xcalloc(1, sizeof(*r));
	struct journal_space before, after;
	struct box b;

	(void)state;
	rng = 77;
	segment_bytes = 256 * 1024;
	state_min = 16 * 1024;
	box_new(&b);
	ref_begin(r, &b);
	for (int round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 700; i++) {
			step(r, &b);
			if (i % 4 == 0)
				assert_int_equal(store_turn(b.s), 0);
		}
		assert_int_equal(store_turn(b.s), 0);
		/* Most messages go, so that segments become nearly empty. */
		for (int i = 0; i < REF_FOLDERS; i++) {
			struct ref_folder *f = &r->folders[i];

			while (f->name[0] != '\0' && f->n > 20) {
				uint32_t places[500], uids[500], n = 0;

				for (uint32_t k = 1; k < f->n && n < 500; k++) {
					places[n] = k;
					uids[n++] = f->messages[k].uid;
				}
				assert_int_equal(
				    store_expunge(b.s, folder(&b, f->name), uids, n), 0);
				ref_remove(f, places, n);
			}
		}
		if (round % 2)
			store_again(b.s);
		assert_int_equal(store_turn(b.s), 0);
		journal_space(b.s->j, &before);
		for (int k = 0; k < 1000 && store_tidy(b.s); k++)
			if (pick(4) == 0)
				step(r, &b);
		assert_int_equal(store_turn(b.s), 0);
		journal_space(b.s->j, &after);
		print_message("compaction: %u segments -> %u, live %llu -> %llu\n", before.segments,
		    after.segments, (unsigned long long)before.live_bytes,
		    (unsigned long long)after.live_bytes);
		ref_compare(r, &b, true);
		box_reopen(&b, (enum reopen)(round % 3));
		ref_compare(r, &b, true);
	}
	segment_bytes = state_min = 0;
	box_free(&b);
	free(r);
}

/* --- kill -9 -----------------------------------------------------------------------------------
 */

/* The child adds, flags and expunges, and tells what is safe on the pipe; then it is killed. */
static void
child(struct box *b, int out, uint64_t seed)
{
	struct folder *f = folder(b, "INBOX");

	rng = seed;
	for (uint32_t i = 0;; i++) {
		uint32_t line[3] = { 0, 0, 0 }, n = 1 + pick(20), uid = 0;

		for (uint32_t k = 0; k < n; k++)
			uid = add(b, f, (uint32_t)(seed * 100000 + f->uidnext) * 5 + 1);
		if (pick(3) == 0 && f->n > 10) {
			line[2] = f->messages[pick(f->n)].uid;
			store_expunge(b->s, f, &line[2], 1);
		}
		store_wait(b->s, on_stable, NULL);
		if (store_turn(b->s) != 0)
			_exit(3);
		line[0] = uid;
		line[1] = f->uidvalidity;
		if (write(out, line, sizeof(line)) != sizeof(line))
			_exit(4);
		if (pick(5) == 0)
			store_tidy(b->s);
		if (pick(50) == 0)
			checkpoint_write(b->s);
	}
}

static void
kill_round(struct box *b, uint64_t seed, uint32_t *safe, uint8_t *gone)
{
	uint32_t line[3];
	int pipefd[2], status;
	pid_t pid;

	store_close(&b->s);
	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipefd[0]);
		box_open(b);
		child(b, pipefd[1], seed);
	}
	close(pipefd[1]);
	usleep((useconds_t)(2000 + seed * 7919 % 40000));
	kill(pid, SIGKILL);
	while (read(pipefd[0], line, sizeof(line)) == sizeof(line)) {
		*safe = line[0];
		if (line[2] != 0)
			gone[line[2]] = 1;
	}
	close(pipefd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	box_open(b);
}

static void
test_kill(void **state)
{
	enum { ROUNDS = 25, UIDS = 1000000 };
	struct box b;
	uint32_t safe = 0;
	uint8_t *gone = xcalloc(1, UIDS);

	(void)state;
	box_new(&b);
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		struct folder *f;
		uint32_t expunged = 0;

		kill_round(&b, seed, &safe, gone);
		f = folder(&b, "INBOX");
		assert_true(f->uidnext > safe);
		for (uint32_t uid = 1; uid <= safe; uid++) {
			const struct message *g = model_message(f, uid);

			expunged += gone[uid];
			if (gone[uid])
				assert_null(g);
		}
		/* One expunge that was not told may have happened as well in each round. */
		assert_true(model_find(f, safe + 1) + expunged + seed >= safe);
	}
	print_message("kill: %u messages were told to be safe\n", safe);
	assert_true(safe > 100);
	for (uint32_t i = 0; i < folder(&b, "INBOX")->n; i += 17) {
		struct store_content c;

		assert_int_equal(store_content(b.s, folder(&b, "INBOX"),
				     folder(&b, "INBOX")->messages[i].uid, &c),
		    0);
		store_content_release(b.s, &c);
	}
	free(gone);
	box_free(&b);
}

/* --- a full disk -------------------------------------------------------------------------------- */

/* Fills a small file system; what is refused changes nothing, expunging works, then all is well. */
static void
fill_disk(struct box *b)
{
	struct folder *f = folder(b, "INBOX");
	uint32_t uid, n = 0, *uids;
	int e = 0;

	for (uint32_t i = 1; i < 5000 && e == 0; i++) {
		struct store_arrival a = { .size = 20000, .bytes = xmalloc(20000) };

		content_fill(i, a.bytes, a.size); /* compressed, too, they are too many */
		e = store_arrive(b->s, f, &a, 1, &uid);
		free(a.bytes);
		if (e == 0 && store_turn(b->s) != 0)
			fail_msg("commit failed");
		n += e == 0;
	}
	assert_int_equal(e, STORE_FULL);
	assert_int_equal(f->n, n);
	assert_true(n > 20);
	assert_int_equal(store_create(b->s, STR("more"), 0), STORE_FULL);
	uids = xmalloc(n * sizeof(*uids));
	for (uint32_t i = 0; i < n; i++)
		uids[i] = f->messages[i].uid;
	assert_int_equal(store_expunge(b->s, f, uids, n), 0);
	free(uids);
	assert_int_equal(store_turn(b->s), 0);
	for (int i = 0; i < 100 && store_tidy(b->s); i++)
		;
	store_tidy(b->s);
	assert_int_equal(store_create(b->s, STR("more"), 0), 0);
	add(b, f, 1);
	assert_int_equal(store_turn(b->s), 0);
	box_reopen(b, KILL_NO_CHECKPOINT);
	assert_int_equal(folder(b, "INBOX")->n, 1);
	assert_non_null(folder(b, "more"));
}

static void
test_full_disk(void **state)
{
	char path[] = "/tmp/mailbox-disk-XXXXXX";
	struct box b;
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(path));
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) != 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("none", path, "tmpfs", 0, "size=4m") != 0)
			_exit(77);
		b.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		segment_bytes = 512 * 1024;
		box_open(&b);
		fill_disk(&b);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* --- size and speed, printed -------------------------------------------------------------------
 */

static double
seconds_since(const struct timespec *t, clockid_t id)
{
	struct timespec n;

	clock_gettime(id, &n);
	return (double)(n.tv_sec - t->tv_sec) + (double)(n.tv_nsec - t->tv_nsec) / 1e9;
}

static void
test_size(void **state)
{
	enum { N = 100000, BATCH = 50 };
	struct box b;
	struct timespec t;
	struct model *m;
	double cpu;

	(void)state;
	box_new(&b);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	for (uint32_t i = 0; i < N; i++) {
		struct store_arrival a = { .seconds = i, .size = 64 };
		uint32_t uid;

		a.bytes = xcalloc(1, a.size);
		assert_int_equal(store_arrive(b.s, folder(&b, "INBOX"), &a, 1, &uid), 0);
		if (i % 5000 == 0)
			assert_int_equal(store_turn(b.s), 0);
	}
	assert_int_equal(store_turn(b.s), 0);
	cpu = seconds_since(&t, CLOCK_PROCESS_CPUTIME_ID);
	m = store_model(b.s);
	print_message("%d messages: %.1f bytes each, %.1f us to add\n", N,
	    (double)((size_t)folder(&b, "INBOX")->cap * sizeof(struct message) +
		     (size_t)m->contents_cap * sizeof(struct content)) /
		N,
	    cpu * 1e6 / N);
	store_close(&b.s);
	clock_gettime(CLOCK_MONOTONIC, &t);
	box_open(&b);
	print_message("open from checkpoint: %.1f ms\n", seconds_since(&t, CLOCK_MONOTONIC) * 1e3);
	assert_int_equal(folder(&b, "INBOX")->n, N);
	store_abandon(&b.s);
	unlinkat(b.dirfd, CHECKPOINT_NAME, 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	box_open(&b);
	print_message("open without: %.1f ms\n", seconds_since(&t, CLOCK_MONOTONIC) * 1e3);
	assert_int_equal(folder(&b, "INBOX")->n, N);
	assert_true(sizeof(struct message) + sizeof(struct content) <= 64);
	box_free(&b);
}

/* --- compressed --------------------------------------------------------------------------------
 */

static void
box_open_packed(struct box *b, bool compress)
{
	bool was = packing;

	packing = compress;
	plain_now = false;
	box_open(b);
	packing = was;
}

/* Some kilobytes that can be compressed, now and then a large one. */
static uint32_t
packable(uint32_t i)
{
	return 4002 + i * 10;
}

static uint64_t
live_bytes(struct box *b)
{
	struct journal_space space;

	journal_space(b->s->j, &space);
	return space.live_bytes;
}

/* Sizes are those of the messages; what is stored is smaller; it is read with the setting and without. */
static void
test_packed(void **state)
{
	uint64_t plain, packed;
	struct box b;

	(void)state;
	box_new(&b);
	store_close(&b.s);
	box_open_packed(&b, false);
	for (uint32_t i = 1; i <= 100; i++)
		add(&b, folder(&b, "INBOX"), packable(i));
	store_turn(b.s);
	assert_int_equal(store_model(b.s)->version, REC_VERSION_PLAIN);
	plain = live_bytes(&b);
	store_close(&b.s);
	box_open_packed(&b, true);
	for (uint32_t i = 1; i <= 100; i++)
		add(&b, folder(&b, "Sent"), packable(i));
	store_turn(b.s);
	packed = live_bytes(&b) - plain;
	assert_true(packed < plain / 2);
	assert_int_equal(store_model(b.s)->version, REC_VERSION);
	assert_true(folder(&b, "INBOX")->bytes == folder(&b, "Sent")->bytes);
	for (int how = 0; how < 3; how++) {
		for (uint32_t uid = 1; uid <= 100; uid++) {
			check_content(&b, folder(&b, "INBOX"), uid, packable(uid));
			check_content(&b, folder(&b, "Sent"), uid, packable(uid));
		}
		if (how == 0)
			store_close(&b.s); /* the checkpoint */
		else
			store_abandon(&b.s);
		if (how == 1)
			unlinkat(b.dirfd, CHECKPOINT_NAME, 0);
		box_open_packed(&b, how == 1);
		assert_int_equal(live_bytes(&b), plain + packed);
		assert_true(folder(&b, "INBOX")->bytes == folder(&b, "Sent")->bytes);
	}
	box_free(&b);
}

/* What compaction moves is compressed on the way, when that is wanted. */
static void
test_packed_later(void **state)
{
	uint32_t gone[2000], n = 0;
	uint64_t before;
	struct box b;

	(void)state;
	segment_bytes = 256 * 1024;
	state_min = 1024;
	box_new(&b);
	store_close(&b.s);
	box_open_packed(&b, false);
	for (uint32_t i = 1; i <= 400; i++)
		add(&b, folder(&b, "INBOX"), packable(i));
	store_turn(b.s);
	for (uint32_t uid = 1; uid <= 400; uid++)
		if (uid % 8 != 0)
			gone[n++] = uid;
	assert_int_equal(store_expunge(b.s, folder(&b, "INBOX"), gone, n), 0);
	store_turn(b.s);
	before = live_bytes(&b);
	store_close(&b.s);
	box_open_packed(&b, true);
	assert_int_equal(store_again(b.s), 0);
	for (int i = 0; i < 1000 && store_tidy(b.s); i++)
		;
	assert_true(live_bytes(&b) < before / 2);
	assert_int_equal(store_model(b.s)->version, REC_VERSION);
	for (int how = 0; how < 3; how++) {
		for (uint32_t uid = 8; uid <= 400; uid += 8)
			check_content(&b, folder(&b, "INBOX"), uid, packable(uid));
		box_reopen(&b, (enum reopen)how);
	}
	segment_bytes = state_min = 0;
	box_free(&b);
}

/* A byte in a file of its own, which no journal checks on the way to a reader. */
static void
test_packed_damage(void **state)
{
	struct store_content c;
	struct dirent *e;
	struct box b;
	uint8_t byte;
	DIR *d;
	int fd = -1;

	(void)state;
	box_new(&b);
	store_close(&b.s);
	box_open_packed(&b, true);
	add(&b, folder(&b, "INBOX"), 97 * 2);
	add(&b, folder(&b, "INBOX"), 4);
	store_turn(b.s);
	check_content(&b, folder(&b, "INBOX"), 1, 97 * 2);
	box_reopen(&b, KILL);
	d = opendir(b.path);
	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".big") != NULL)
			fd = openat(b.dirfd, e->d_name, O_RDWR);
	closedir(d);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, 5000), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
	reports = 0;
	assert_int_equal(store_content(b.s, folder(&b, "INBOX"), 1, &c), STORE_DAMAGED);
	assert_int_equal(reports, 1);
	check_content(&b, folder(&b, "INBOX"), 2, 4);
	/* Kept aside: its file outlives its message. */
	assert_int_equal(store_expunge(b.s, folder(&b, "INBOX"), (uint32_t[]){ 2 }, 1), 0);
	store_turn(b.s);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
	check_content(&b, folder(&b, "INBOX"), 1, 97 * 2);
	close(fd);
	box_free(&b);
}

static void
test_thread(void **state)
{
	static const struct {
		struct str a, b;
		bool same;
	} cases[] = {
		{ STR("Message-ID: <1@x>\r\n\r\n"),
		    STR("Message-ID: <2@x>\r\nReferences: <1@x> <9@x>\r\n\r\n"), true },
		{ STR("Message-ID: <1@x>\r\n\r\n"),
		    STR("in-reply-to:\r\n <1@x>\r\nMessage-ID: <3@x>\r\n\r\n"), true },
		{ STR("Message-ID: <1@x>\r\n\r\n"), STR("Message-ID: <2@x>\r\n\r\n"), false },
		{ STR("Message-ID: <1@x>\r\n\r\n"), STR("X: y\r\n\r\nMessage-ID: <1@x>\r\n"),
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(thread_id(cases[i].a) == thread_id(cases[i].b), cases[i].same);
	assert_int_equal(thread_id(STR("Subject: x\r\n\r\n")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_promises),
		cmocka_unit_test(test_modseq_never_twice),
		cmocka_unit_test(test_power_loss),
		cmocka_unit_test(test_again_cut_off),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_copy_move),
		cmocka_unit_test(test_delivery_once),
		cmocka_unit_test(test_large_goes_late),
		cmocka_unit_test(test_append_all_or_none),
		cmocka_unit_test(test_checkpoint_damage),
		cmocka_unit_test(test_damaged_table),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_compaction),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_packed_later),
		cmocka_unit_test(test_packed_damage),
	};
	const struct CMUnitTest again[] = {
		cmocka_unit_test(test_power_loss),
		cmocka_unit_test(test_large_goes_late),
		cmocka_unit_test(test_append_all_or_none),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_compaction),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_full_disk),
	};
	int failed = cmocka_run_group_tests_name("plain", tests, NULL, NULL);

	packing = true;
	return failed + cmocka_run_group_tests_name("packed", again, NULL, NULL);
}
