/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "logger/logfile.h"

static char path[] = "/tmp/logger_test.XXXXXX";
static int dir;
static int64_t now;

static int
make_dir(void **state)
{
	(void)state;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(path));
	now = (int64_t)time(NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	return 0;
}

static int
remove_dir(void **state)
{
	DIR *d = opendir(path);
	struct dirent *e;

	(void)state;
	while ((e = readdir(d)) != NULL)
		unlinkat(dir, e->d_name, 0);
	closedir(d);
	close(dir);
	return rmdir(path);
}

static unsigned
files(uint64_t *bytes)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct stat st;
	unsigned n = 0;

	*bytes = 0;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		fstatat(dir, e->d_name, &st, 0);
		*bytes += (uint64_t)st.st_size;
		n++;
	}
	closedir(d);
	return n;
}

static void
test_size_and_total(void **state)
{
	struct logfile_budget b = { .file_size = 1000, .total_size = 5000, .max_age = 1000000 };
	struct logfile *f = logfile_new(dir, &b);
	char line[101];
	uint64_t bytes;

	(void)state;
	memset(line, 'x', 99);
	line[99] = '\n';
	for (int i = 0; i < 400; i++)
		assert_int_equal(logfile_write(f, str_from(line, 100), now + i), 0);
	assert_int_equal(files(&bytes), 5);
	assert_int_equal(bytes, 5000);
	logfile_free(&f);
}

static void
test_same_second(void **state)
{
	struct logfile_budget b = { .file_size = 100, .total_size = 100000, .max_age = 1000000 };
	struct logfile *f = logfile_new(dir, &b);
	uint64_t bytes;

	(void)state;
	for (int i = 0; i < 20; i++)
		logfile_write(
		    f, STR("sixty bytes of a line that says nothing at all, but is long.\n"), now);
	assert_int_equal(files(&bytes), 20);
	assert_int_equal(bytes, 20 * 61);
	logfile_free(&f);
}

static void
test_age(void **state)
{
	struct logfile_budget b = { .file_size = 100, .total_size = 100000, .max_age = 86400 };
	struct logfile *f = logfile_new(dir, &b);
	uint64_t bytes;
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	(void)state;
	close(openat(dir, "postern.log.19700101-001640", O_CREAT | O_WRONLY, 0600));
	utimensat(dir, "postern.log.19700101-001640", old, 0);
	close(openat(dir, "unrelated", O_CREAT | O_WRONLY, 0600));
	utimensat(dir, "unrelated", old, 0);
	assert_int_equal(files(&bytes), 3);
	logfile_write(f, STR("a line\n"), now);
	assert_int_equal(files(&bytes), 2);
	assert_int_equal(faccessat(dir, "unrelated", F_OK, 0), 0);
	logfile_free(&f);
}

static void
test_continues(void **state)
{
	struct logfile_budget b = { .file_size = 100, .total_size = 100000, .max_age = 86400 };
	struct logfile *f = logfile_new(dir, &b);
	uint64_t bytes;

	(void)state;
	logfile_write(f, STR("one\n"), now);
	logfile_free(&f);
	f = logfile_new(dir, &b);
	logfile_write(f, STR("two\n"), now);
	logfile_free(&f);
	assert_int_equal(files(&bytes), 1);
	assert_int_equal(bytes, 8);
}

/* No room (RLIMIT_FSIZE stands in for a full disk): lines are lost, counted, told when it works. */
static void
test_lost_lines(void **state)
{
	struct logfile_budget b = { .file_size = 1000, .total_size = 100000, .max_age = 86400 };
	struct logfile *f = logfile_new(dir, &b);
	struct rlimit old, none = { 0 };

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &none);
	assert_int_equal(logfile_write(f, STR("one\ntwo\n"), now), 0);
	assert_int_equal(logfile_write(f, STR("three\n"), now), 0);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(logfile_write(f, STR("four\n"), now), 3);
	assert_int_equal(logfile_write(f, STR("five\n"), now), 0);
	logfile_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_size_and_total, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_same_second, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_age, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_continues, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_lost_lines, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
