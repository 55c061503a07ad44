/* SPDX-License-Identifier: ISC */
/* The store on real directories: what it keeps, and what is told of damage. */
#include "mailbox/test_box.h"

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
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_copy_move),
		cmocka_unit_test(test_delivery_once),
		cmocka_unit_test(test_checkpoint_damage),
		cmocka_unit_test(test_damaged_table),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
