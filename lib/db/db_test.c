/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/db.h"

#ifdef POSTERN_SANITIZE
/* Berkeley DB frees nothing of an environment that met a bad page; its process ends anyway. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}
#endif

enum { KILL_ROUNDS = 30 };

/* The engine's syncs come here: they fail with this errno; 0: they work. */
static int failing_sync;
static unsigned directory_syncs;

int
fsync(int fd)
{
	struct stat st;

	if (failing_sync != 0) {
		errno = failing_sync;
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		directory_syncs++;
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return fsync(fd);
}

static char dir[64];
static struct buf why;

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/postern-db-XXXXXX");
	buf_init(&why, 1024);
	return mkdtemp(dir) == NULL || chdir(dir) != 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	buf_free(&why);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return chdir("/") != 0 || system(cmd) != 0 ? -1 : 0;
}

static struct db *
open_ok(uint32_t format)
{
	struct db *db = NULL;

	if (db_open(format, &db, &why) != 0)
		fail_msg("open: %.*s", (int)buf_len(&why), buf_data(&why));
	return db;
}

static int
put_one(struct db *db, const char *key, const char *value)
{
	struct db_txn *txn;
	int rc = db_begin(db, true, &txn);

	if (rc != 0)
		return rc;
	rc = db_put(txn, str_of(key), str_of(value));
	if (rc != 0) {
		db_abort(&txn);
		return rc;
	}
	return db_commit(&txn);
}

/* The value, or "-" when there is none. */
static const char *
get_one(struct db *db, const char *key)
{
	static char out[256];
	struct buf b;
	int rc;

	buf_init(&b, sizeof(out) - 1);
	rc = db_get(db, str_of(key), &b);
	if (rc == 0) {
		memcpy(out, buf_data(&b), buf_len(&b));
		out[buf_len(&b)] = 0;
	} else {
		(void)snprintf(out, sizeof(out), rc == DBE_NONE ? "-" : "error %d", rc);
	}
	buf_free(&b);
	return out;
}

static int
join(void *arg, struct str key, struct str value)
{
	return buf_printf(arg, "%.*s=%.*s ", STRF(key), STRF(value));
}

static void
test_basics(void **state)
{
	struct db *db = open_ok(3);
	struct db_txn *txn;
	struct buf all;

	(void)state;
	buf_init(&all, 1024);
	assert_int_equal(db_format(db), 3);
	assert_string_equal(get_one(db, "a/1"), "-");
	assert_int_equal(put_one(db, "a/2", "two"), 0);
	assert_int_equal(put_one(db, "a/1", "one"), 0);
	assert_int_equal(put_one(db, "b/1", "bee"), 0);
	assert_int_equal(put_one(db, "a/1", "ONE"), 0);
	assert_string_equal(get_one(db, "a/1"), "ONE");
	assert_int_equal(db_range(db, STR("a/"), join, &all), 0);
	assert_int_equal(db_range(db, STR(""), join, &all), 0);
	assert_int_equal(db_range(db, STR("c"), join, &all), 0);
	assert_int_equal(buf_putc(&all, 0), 0);
	assert_string_equal(
	    (const char *)buf_data(&all), "a/1=ONE a/2=two a/1=ONE a/2=two b/1=bee ");

	/* an undone transaction leaves nothing; inside it its changes are seen */
	assert_int_equal(db_begin(db, true, &txn), 0);
	assert_int_equal(db_put(txn, STR("a/3"), STR("three")), 0);
	assert_int_equal(db_del(txn, STR("a/1")), 0);
	assert_int_equal(db_del(txn, STR("a/9")), DBE_NONE);
	assert_string_equal(get_one(db, "a/3"), "three");
	assert_string_equal(get_one(db, "a/1"), "-");
	db_abort(&txn);
	assert_string_equal(get_one(db, "a/3"), "-");
	assert_string_equal(get_one(db, "a/1"), "ONE");

	/* one left open at the end as well */
	assert_int_equal(db_begin(db, true, &txn), 0);
	assert_int_equal(db_put(txn, STR("a/4"), STR("four")), 0);
	db_close(&db);
	db_close(&db);
	db = open_ok(3);
	assert_string_equal(get_one(db, "a/4"), "-");
	assert_string_equal(get_one(db, "a/2"), "two");
	db_close(&db);
	buf_free(&all);
}

/* A commit that could not be synced: nothing is answered from memory any more, whatever the reason. */
static void
test_failing_sync(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, EINTR };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct db *db = open_ok(1);
		char broken[32];

		(void)snprintf(broken, sizeof(broken), "error %d", DBE_BROKEN);
		assert_int_equal(put_one(db, "before", "1"), 0);
		failing_sync = errors[i];
		assert_int_equal(put_one(db, "lost", "1"), DBE_BROKEN);
		failing_sync = 0;
		assert_string_equal(get_one(db, "before"), broken);
		assert_int_equal(put_one(db, "after", "1"), DBE_BROKEN);
		db_close(&db);
		db = open_ok(1);
		assert_string_equal(get_one(db, "before"), "1");
		assert_string_equal(get_one(db, "after"), "-");
		assert_int_equal(put_one(db, "before", "2"), 0);
		db_close(&db);
	}
}

/* The name of a new log file is on stable storage before the commit that is in it is answered. */
static void
test_log_name_is_synced(void **state)
{
	struct db *db = open_ok(1);
	static char value[DB_VALUE_MAX];
	unsigned before = 0;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	for (int n = 0; access("log.0000000002", F_OK) != 0; n++) {
		assert_true(n < 100);
		before = directory_syncs;
		assert_int_equal(put_one(db, "key", value), 0);
	}
	assert_int_equal(directory_syncs, before + 1);
	db_close(&db);
}

static void
test_limits(void **state)
{
	struct db *db = open_ok(1);
	struct db_txn *txn;
	char *big = calloc(1, DB_VALUE_MAX + 1);
	int rc = 0, n = 0;

	(void)state;
	assert_non_null(big);
	assert_int_equal(db_begin(db, true, &txn), 0);
	assert_int_equal(db_put(txn, STR(""), STR("x")), DBE_LIMIT);
	assert_int_equal(db_put(txn, STR("\0x"), STR("x")), DBE_LIMIT);
	assert_int_equal(db_put(txn, str_from(big, DB_KEY_MAX + 1), STR("x")), DBE_LIMIT);
	assert_int_equal(db_put(txn, STR("k"), str_from(big, DB_VALUE_MAX + 1)), DBE_LIMIT);
	assert_int_equal(db_put(txn, STR("k"), str_from(big, DB_VALUE_MAX)), 0);
	assert_int_equal(db_del(txn, STR("\0format")), DBE_NONE);
	for (; rc == 0 && n < 1000; n++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%d", n);
		rc = db_put(txn, str_of(key), str_from(big, DB_VALUE_MAX));
	}
	assert_int_equal(rc, DBE_LIMIT);
	assert_in_range(n, 200, 300);
	db_abort(&txn);
	assert_string_equal(get_one(db, "k1"), "-");
	db_close(&db);
	free(big);
}

static void
test_format(void **state)
{
	struct db *db = open_ok(2), *other = NULL;
	struct db_txn *txn;

	(void)state;
	assert_int_equal(db_open(2, &other, &why), DBE_BUSY);
	assert_null(other);
	buf_clear(&why);
	db_close(&db);
	assert_int_equal(db_open(1, &db, &why), DBE_NEWER);
	assert_null(db);
	assert_true(str_find_nocase(str_from(buf_data(&why), buf_len(&why)), STR("newer")) >= 0);
	buf_clear(&why);
	db = open_ok(5); /* older content: stays until the caller has upgraded it */
	assert_int_equal(db_format(db), 2);
	assert_int_equal(db_begin(db, true, &txn), 0);
	assert_int_equal(db_set_format(txn, 5), 0);
	assert_int_equal(db_commit(&txn), 0);
	assert_int_equal(db_format(db), 5);
	db_close(&db);
	assert_int_equal(db_open(4, &db, &why), DBE_NEWER);
}

static void
test_strange_files(void **state)
{
	struct db *db;
	int fd;

	(void)state;
	fd = open("__db.001", O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	db = open_ok(1);
	assert_int_equal(access("__db.001", F_OK), -1);
	assert_int_equal(put_one(db, "k", "v"), 0);
	db_close(&db);
	fd = open("DB_CONFIG", O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(db_open(1, &db, &why), DBE_BROKEN);
	assert_int_equal(unlink("DB_CONFIG"), 0);
	buf_clear(&why);

	/* a flipped bit in a page is found, not served */
	fd = open("data.db", O_RDWR);
	assert_true(fd >= 0);
	for (off_t at = 4096; at < 8192; at += 64) {
		char c;

		assert_int_equal(pread(fd, &c, 1, at + 40), 1);
		c ^= 0x10;
		assert_int_equal(pwrite(fd, &c, 1, at + 40), 1);
	}
	close(fd);
	if (db_open(1, &db, &why) == 0) {
		assert_string_not_equal(get_one(db, "k"), "v");
		db_close(&db);
	}
}

/* Log files do not pile up. */
static void
test_log_removal(void **state)
{
	struct db *db = open_ok(1);
	char value[4001];
	int logs = 0;

	(void)state;
	memset(value, 'x', 4000);
	value[4000] = 0;
	for (int i = 0; i < 1000; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%d", i % 7);
		assert_int_equal(put_one(db, key, value), 0);
	}
	for (int i = 0; i < 100; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "log.%010d", i);
		logs += access(name, F_OK) == 0;
	}
	assert_in_range(logs, 1, 3);
	db_close(&db);
}

/* ---- kill -9 ----------------------------------------------------------------------------------
 */

/* Writes pairs a/N and b/N in one transaction each and tells N after each commit. */
static void
writer(int out, unsigned from)
{
	struct db *db = NULL;
	struct db_txn *txn;
	char a[32], b[32], v[600];

	if (db_open(1, &db, &why) != 0)
		_exit(1);
	memset(v, 'v', sizeof(v));
	for (unsigned n = from;; n++) {
		(void)snprintf(a, sizeof(a), "a/%u", n);
		(void)snprintf(b, sizeof(b), "b/%u", n);
		if (db_begin(db, true, &txn) != 0 ||
		    db_put(txn, str_of(a), str_from(v, n % sizeof(v))) != 0 ||
		    db_put(txn, str_of(b), str_from(v, n % sizeof(v))) != 0 || db_commit(&txn) != 0)
			_exit(2);
		if (write(out, &n, sizeof(n)) != sizeof(n))
			_exit(3);
	}
}

static int
count(void *arg, struct str key, struct str value)
{
	unsigned *n = arg;
	uint64_t number;

	assert_true(str_u64(str_from(key.p + 2, key.n - 2), UINT32_MAX, &number));
	assert_int_equal(value.n, number % 600);
	++*n;
	return 0;
}

static void
test_kill(void **state)
{
	unsigned told = 0;

	(void)state;
	srandom((unsigned)getpid());
	for (int round = 0; round < KILL_ROUNDS; round++) {
		struct timespec pause = { 0, 1000000L * (10 + random() % 60) };
		unsigned a = 0, b = 0, n;
		int p[2], status;
		struct db *db;
		pid_t pid;

		assert_int_equal(pipe(p), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(p[0]);
			writer(p[1], told);
		}
		close(p[1]);
		nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(p[0], &n, sizeof(n)) == sizeof(n))
			told = n + 1;
		close(p[0]);
		db = open_ok(1);
		assert_int_equal(db_range(db, STR("a/"), count, &a), 0);
		assert_int_equal(db_range(db, STR("b/"), count, &b), 0);
		assert_int_equal(a, b);
		assert_in_range(a, told, told + 1);
		told = a;
		db_close(&db);
	}
	assert_true(told > 0);
}

/* ---- full disk --------------------------------------------------------------------------------
 */

static void
fill_disk(void)
{
	static char block[65536];
	int fd = open("filler", O_CREAT | O_WRONLY | O_APPEND, 0600);
	size_t n = sizeof(block);

	assert_true(fd >= 0);
	while (n > 0)
		if (write(fd, block, n) <= 0)
			n /= 2;
	close(fd);
}

static void
test_full_disk(void **state)
{
	struct db *db = NULL;
	struct db_txn *txn;
	int rc = 0, n = 0, status;
	char key[16];
	pid_t pid;

	(void)state;
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", dir, "tmpfs", 0, "size=16m") != 0 || chdir(dir) != 0) {
		print_message("needs root for a small tmpfs\n");
		skip();
	}
	db = open_ok(1);
	assert_int_equal(access("reserve", F_OK), 0);
	for (; rc == 0 && n < 100000; n++) {
		char value[3000] = "";

		memset(value, 'x', sizeof(value) - 1);
		(void)snprintf(key, sizeof(key), "k%05d", n);
		rc = put_one(db, key, value);
	}
	assert_int_equal(rc, DBE_FULL);
	assert_true(n > 100);
	/* others fill the rest; what is here is still served and a restart works */
	fill_disk();
	assert_int_equal(put_one(db, "more", "x"), DBE_FULL);
	assert_string_not_equal(get_one(db, "k00000"), "-");
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	db_close(&db);
	fill_disk();
	db = open_ok(1);
	assert_string_not_equal(get_one(db, "k00000"), "-");
	assert_int_equal(put_one(db, "more", "x"), DBE_FULL);
	/* removing is still possible */
	assert_int_equal(db_begin(db, false, &txn), 0);
	assert_int_equal(db_del(txn, STR("k00000")), 0);
	assert_int_equal(db_commit(&txn), 0);
	assert_int_equal(unlink("filler"), 0);
	for (int i = 1; i < n - 1; i++) {
		assert_int_equal(db_begin(db, false, &txn), 0);
		(void)snprintf(key, sizeof(key), "k%05d", i);
		assert_int_equal(db_del(txn, str_of(key)), 0);
		assert_int_equal(db_commit(&txn), 0);
	}
	/* Deleting frees pages, not disk: whether the reserve fits again depends on where in a log file
	 * this ended. With space from elsewhere writing goes on by itself. */
	assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT, "size=32m"), 0);
	assert_int_equal(put_one(db, "more", "x"), 0);
	db_close(&db);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(umount(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_basics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failing_sync, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_name_is_synced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strange_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_removal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
