/* SPDX-License-Identifier: ISC */
/* A store in a directory of its own, a clock and messages that follow from a number, for tests; all static. */
#ifndef POSTERN_MAILBOX_TEST_BOX_H
#define POSTERN_MAILBOX_TEST_BOX_H

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

static inline uint64_t
now_ms(void *arg)
{
	(void)arg;
	return clock_ms += 7;
}

static inline void
report(void *arg, const char *line)
{
	(void)arg;
	(void)line;
	reports++;
	if (getenv("VERBOSE") != NULL)
		fprintf(stderr, "# %s\n", line);
}

static inline void
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

static inline void
box_new(struct box *b)
{
	strcpy(b->path, "/tmp/mailbox-test-XXXXXX");
	assert_non_null(mkdtemp(b->path));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(b->dirfd >= 0);
	box_open(b);
}

static inline void
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

static inline void
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

static inline struct folder *
folder(struct box *b, const char *name)
{
	return model_folder_named(store_model(b->s), str_of(name));
}

/* The content of test message `seed`: its size and bytes follow from it. */
static inline size_t
content_size(uint32_t seed)
{
	if (seed % 97 == 0)
		return 200000 + seed % 1000;
	return seed % 5 == 0 ? 20 : 100 + seed % 9000;
}

static inline void
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

static inline struct store_arrival
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

static inline uint32_t
add(struct box *b, struct folder *f, uint32_t seed)
{
	struct store_arrival a = message(b, seed);
	uint32_t uid;

	assert_int_equal(store_arrive(b->s, f, &a, 1, &uid), 0);
	assert_null(a.bytes);
	assert_null(a.large);
	return uid;
}

static inline void
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

static int calls;

static inline void
on_stable(void *arg)
{
	(void)arg;
	calls++;
}

#endif
