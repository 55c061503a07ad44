/* SPDX-License-Identifier: ISC */
/*
 * fill_queue DIR MESSAGES HEALTHY DEAD: puts MESSAGES messages of 1 KiB into the queue's journal in
 * DIR, of an instance that does not run, through the queue's own spool. One recipient each, in turn
 * at HEALTHY + DEAD domains: hN.bench.test, and among them, evenly, bN (blackhole), rN (refused) and
 * sN (silent).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "queue/spool.h"

/* Messages in one commit: few syncs, little memory. */
enum { BATCH = 1000, CONTENT = 1024, DOMAINS_MAX = 100000 };

static struct destination *
on_destination(void *arg, struct str address)
{
	(void)arg;
	(void)address;
	return NULL;
}

static void
on_destination_done(void *arg, struct destination *to)
{
	(void)arg;
	(void)to;
}

static void
on_committed(void *arg)
{
	(void)arg;
}

static void
on_message(void *arg, struct message *m)
{
	(void)arg;
	(void)m;
}

static void
on_settled(void *arg, struct delivery *d)
{
	(void)arg;
	(void)d;
}

static void
on_stored(void *arg, void *cookie, int result, const struct message *m)
{
	(void)arg;
	(void)cookie;
	(void)m;
	if (result != 0)
		fatal("not stored: %s", journal_strerror(result));
}

static struct spool *
open_spool(const char *dir)
{
	struct spool_options o = { .limits = { UINT64_MAX, UINT64_MAX, 0 } };
	struct spool_ops ops = {
		.on_message = on_message,
		.on_settled = on_settled,
		.on_stored = on_stored,
		.on_committed = on_committed,
		.on_gone = on_message,
		.destination = on_destination,
		.destination_done = on_destination_done,
	};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct spool *s;

	if (fd < 0)
		fatal("cannot open %s", dir);
	r = spool_open(fd, &o, &ops, &s);
	if (r != 0)
		fatal("%s: %s", dir, journal_strerror(r));
	spool_start(s);
	return s;
}

/* The dead ones stand evenly among all. */
static void
address_of(char *out, size_t size, unsigned i, unsigned healthy, unsigned dead)
{
	unsigned all = healthy + dead, n = i % all;
	unsigned before = (unsigned)((uint64_t)n * dead / all);
	unsigned after = (unsigned)((uint64_t)(n + 1) * dead / all);
	char kind = after > before ? "brs"[before % 3] : 'h';

	snprintf(out, size, "user@%c%u.bench.test", kind, n);
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
add(struct spool *s, struct envelope_writer *w, const char *address, struct str content)
{
	struct ipc_msg_begin begin = { .session = STR("bench"),
		.client_address = STR("127.0.0.1"),
		.reverse_path = STR("alice@example.test") };
	struct envelope_recipient r = { .address = str_of(address), .from = ENVELOPE_ITSELF };
	struct journal_large *none = NULL;
	int e;

	envelope_begin(w, &begin);
	if (envelope_recipient(w, &r) != 0 ||
	    envelope_delivery(w, 0, TARGET_REMOTE, DELIVERY_PENDING) != 0)
		fatal("the envelope takes no recipient");
	e = spool_add(s, w, now_ms(), STR("Received: from bench\r\n"), content, &none, NULL);
	if (e != 0)
		fatal("not added: %s", journal_strerror(e));
}

static unsigned
number(const char *word, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long v = strtoul(word, &end, 10);

	if (*end != '\0' || end == word || v < least || v > most)
		fatal("bad number %s", word);
	return (unsigned)v;
}

int
main(int argc, char **argv)
{
	static char content[CONTENT] = "From: alice@example.test\r\nSubject: bench\r\n\r\n";
	struct envelope_writer w;
	unsigned messages, healthy, dead;
	char address[64];
	struct spool *s;

	if (argc != 5) {
		fprintf(stderr, "usage: fill_queue DIR MESSAGES HEALTHY DEAD\n");
		return 100;
	}
	messages = number(argv[2], 1, 100000000);
	healthy = number(argv[3], 1, DOMAINS_MAX);
	dead = number(argv[4], 0, DOMAINS_MAX);
	for (size_t i = strlen(content); i < CONTENT; i++)
		content[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	s = open_spool(argv[1]);
	envelope_writer_init(&w);
	for (unsigned i = 0; i < messages; i++) {
		address_of(address, sizeof(address), i, healthy, dead);
		add(s, &w, address, str_from(content, CONTENT));
		if (i % BATCH == BATCH - 1)
			spool_commit(s);
	}
	spool_close(&s);
	envelope_writer_free(&w);
	return 0;
}
