/* SPDX-License-Identifier: ISC */
/* The store on real directories: what was promised is there after power loss, kill -9, compaction and on a full
 * disk. All of it runs without compression, and with it switched on and off at each opening. */
#include "mailbox/test_box.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_loss),
		cmocka_unit_test(test_large_goes_late),
		cmocka_unit_test(test_append_all_or_none),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_compaction),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_full_disk),
	};
	const struct CMUnitTest once[] = {
		cmocka_unit_test(test_again_cut_off),
	};
	int failed = cmocka_run_group_tests_name("plain", tests, NULL, NULL);

	failed += cmocka_run_group_tests_name("once", once, NULL, NULL);
	packing = true;
	return failed + cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}
