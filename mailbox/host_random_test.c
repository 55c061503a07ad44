/* SPDX-License-Identifier: ISC */
/* Several real IMAP sessions of a mailbox process at random, kills, and how fast it is. */
#include "mailbox/test_host.h"

/* --- several sessions at random ----------------------------------------------------------------- */

struct watcher {
	struct client *c;
	uint32_t exists;
	unsigned tag;
};

static uint32_t seed;

static uint32_t
pick(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* What the server says changes what this client believes. */
static void
watch(struct watcher *w)
{
	for (const char *p = w->c->text; p != NULL && *p != '\0';) {
		unsigned n;
		char word[16];

		if (sscanf(p, "* %u %15s", &n, word) == 2) {
			if (strcmp(word, "EXISTS") == 0) {
				assert_true(n >= w->exists);
				w->exists = n;
			} else if (strcmp(word, "EXPUNGE") == 0) {
				assert_true(n >= 1 && n <= w->exists);
				w->exists--;
			} else if (strcmp(word, "FETCH") == 0) {
				assert_true(n >= 1 && n <= w->exists);
			}
		}
		p = strstr(p, "\r\n");
		p = p != NULL ? p + 2 : NULL;
	}
}

static void
do_command(struct watcher *w, const char *text)
{
	char line[256], tag[16];

	snprintf(tag, sizeof(tag), "t%u ", ++w->tag);
	snprintf(line, sizeof(line), "%s%s\r\n", tag, text);
	w->c->n = 0;
	send_all(w->c->fd, line, strlen(line));
	check(w->c, tag);
	assert_true(expect(w->c, "\r\n"));
	while (!expect(w->c, tag) || w->c->text[w->c->n - 1] != '\n')
		;
	watch(w);
	if (strstr(w->c->text, " BAD ") != NULL)
		fail_msg("%s: %s", line, w->c->text);
}

static void
random_command(struct watcher *w)
{
	char text[128];
	uint32_t n = w->exists > 0 ? 1 + pick(w->exists) : 0;
	uint32_t m = n > 0 ? n + pick(w->exists - n + 1) : 0;

	switch (n == 0 ? 6 : pick(8)) {
	case 0:
		snprintf(
		    text, sizeof(text), "STORE %u:%u +FLAGS (\\Deleted)", n, m < n + 3 ? m : n);
		break;
	case 1:
		snprintf(text, sizeof(text), "STORE %u FLAGS (\\Seen k%u)", n, pick(9));
		break;
	case 2:
		snprintf(text, sizeof(text), "EXPUNGE");
		break;
	case 3:
		snprintf(text, sizeof(text), "COPY %u:%u INBOX", n, m < n + 9 ? m : n);
		break;
	case 4:
		snprintf(text, sizeof(text), "FETCH %u:%u (FLAGS UID ENVELOPE)", n, m);
		break;
	case 5:
		snprintf(text, sizeof(text), "MOVE %u INBOX", n);
		break;
	case 6:
		snprintf(text, sizeof(text), "NOOP");
		break;
	default:
		snprintf(text, sizeof(text), "UID SEARCH NOT DELETED SUBJECT light");
	}
	do_command(w, text);
}

static void
test_random_sessions(void **state)
{
	enum { SESSIONS = 3, STEPS = 600 };
	struct watcher s[SESSIONS] = { 0 };
	struct world w;
	int d;

	(void)state;
	seed = (uint32_t)time(NULL);
	print_message("seed %u\n", seed);
	world_new(&w);
	d = attach(&w, 1);
	for (int i = 0; i < SESSIONS; i++) {
		s[i].c = login(&w, "");
		check(s[i].c, "a0 OK");
		do_command(&s[i], "SELECT INBOX");
	}
	for (uint64_t n = 1; n <= STEPS; n++) {
		if (pick(6) == 0) {
			deliver_send(d, n, "", mail, sizeof(mail) - 1);
			deliver_sync(d);
			assert_true(delivered(d, n) != 0);
		}
		random_command(&s[pick(SESSIONS)]);
	}
	for (int i = 0; i < SESSIONS; i++)
		do_command(&s[i], "NOOP");
	for (int i = 0; i < SESSIONS; i++) {
		struct client *fresh = login(&w, "f SELECT INBOX\r\n");
		char exists[32];

		snprintf(exists, sizeof(exists), "* %u EXISTS\r\n", s[i].exists);
		check(fresh, exists);
		client_free(&fresh);
		if (i > 0)
			assert_int_equal(s[i].exists, s[0].exists);
	}
	for (int i = 0; i < SESSIONS; i++)
		client_free(&s[i].c);
	close(d);
	world_free(&w);
}

/* Told to be safe means there after kill -9; nothing stands twice after the repeat. */
static void
test_kill(void **state)
{
	enum { ROUNDS = 12, BATCH = 40 };
	struct world w;
	struct client *c;
	uint64_t number = 1, told = 0;
	char want[64];

	(void)state;
	world_new(&w);
	for (int round = 0; round < ROUNDS; round++) {
		int d = attach(&w, 1);
		struct pollfd p = { d, POLLIN, 0 };

		for (uint64_t n = number; n < number + BATCH; n++)
			deliver_send(d, n, "", mail, sizeof(mail) - 1);
		deliver_sync(d);
		if (poll(&p, 1, round % 4) == 1 && delivered(d, number) != 0)
			told++;
		end(&w, SIGKILL);
		close(d);
		/* What queue does: all of them again. */
		start(&w);
		d = attach(&w, 1);
		for (uint64_t n = number; n < number + BATCH; n++)
			deliver_send(d, n, "", mail, sizeof(mail) - 1);
		deliver_sync(d);
		for (uint64_t n = number; n < number + BATCH; n++)
			assert_int_equal(delivered(d, n), n);
		number += BATCH;
		close(d);
	}
	c = login(&w, "a1 SELECT INBOX\r\n");
	snprintf(want, sizeof(want), "* %d EXISTS\r\n", ROUNDS * BATCH);
	check(c, want);
	print_message(
	    "kill: %llu of %d rounds were told before\n", (unsigned long long)told, ROUNDS);
	client_free(&c);
	world_free(&w);
}

/* Flag changes survive kill -9 at once. */
static void
test_flags_kill(void **state)
{
	struct world w;
	struct client *c;
	int d;

	(void)state;
	world_new(&w);
	d = attach(&w, 1);
	deliver_send(d, 1, "", mail, sizeof(mail) - 1);
	deliver_sync(d);
	assert_int_equal(delivered(d, 1), 1);
	close(d);
	c = login(&w, "a1 SELECT INBOX\r\n");
	check(c, "a1 OK");
	command(c, "a2 STORE 1 +FLAGS.SILENT (\\Answered work)\r\n", "a2 OK");
	end(&w, SIGKILL);
	client_free(&c);
	start(&w);
	c = login(&w, "a1 SELECT INBOX\r\n");
	check(c, "a1 OK");
	command(c, "a2 FETCH 1 FLAGS\r\n", "a2 OK");
	check(c, "\\Answered work");
	client_free(&c);
	world_free(&w);
}

static long
private_kb(pid_t pid)
{
	char path[64], line[256];
	long total = 0, kb;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Private_Clean: %ld", &kb) == 1 ||
		    sscanf(line, "Private_Dirty: %ld", &kb) == 1)
			total += kb;
	if (f != NULL)
		fclose(f);
	return total;
}

static double
cpu_seconds(pid_t pid)
{
	clockid_t id;
	struct timespec t;

	if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &t) != 0)
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
test_speed(void **state)
{
	enum { N = 5000, BATCH = 100 };
	struct world w;
	char text[4096];
	double before;
	int d;

	(void)state;
	world_new(&w);
	memset(text, 'x', sizeof(text));
	memcpy(text, mail, sizeof(mail) - 1);
	d = attach(&w, 1);
	before = cpu_seconds(w.pid);
	for (uint64_t n = 1; n <= N; n += BATCH) {
		for (uint64_t k = n; k < n + BATCH; k++)
			deliver_send(d, k, "", text, sizeof(text));
		deliver_sync(d);
		for (uint64_t k = n; k < n + BATCH; k++)
			assert_int_equal(delivered(d, k), k);
	}
	print_message(
	    "delivery of 4 KiB: %.1f us CPU each\n", (cpu_seconds(w.pid) - before) * 1e6 / N);
	usleep(300000);
	print_message("private memory with %d messages: %ld KiB\n", N, private_kb(w.pid));
	close(d);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_sessions),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_flags_kill),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
