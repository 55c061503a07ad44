/* SPDX-License-Identifier: ISC */
#include "resolver/resolve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/time.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "resolver/anchors.h"
#include "resolver/event.h"

enum { CLASS_IN = 1, RCODE_NXDOMAIN = 3, SEC_BOGUS = 1, SEC_SECURE = 2, CONFIG_MAX = 16384 };

struct question {
	TAILQ_ENTRY(question) link;
	struct resolve *r;
	resolve_fn *fn; /* NULL: nobody waits any more, but libunbound still has it */
	void *arg;
	uint16_t type;
	uint64_t asked_ms;
	bool asking; /* resolve_ask is not over: it frees */
	bool done;
};

struct resolve {
	struct ub_ctx *ub;
	struct ub_event_base *events;
	struct io_loop *loop;
	struct io_timer *deadline, *alive;
	uint64_t timeout_ms;
	TAILQ_HEAD(questions, question) waiting; /* oldest first */
	TAILQ_HEAD(, question) abandoned;        /* fn is NULL */
	size_t count;                            /* both lists */
	struct buf records;
};

/* --- configuration ---------------------------------------------------------------------------- */

/* Zones that libunbound would answer by itself: a server that was configured may know better. */
static const char *const special_zones[] = { "test.", "127.in-addr.arpa.",
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
	"8.b.d.0.1.0.0.2.ip6.arpa.", "2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa.",
	"113.0.203.in-addr.arpa." };

static void
put_special_zones(struct buf *b, const struct resolve_options *o)
{
	for (size_t i = 0; i < sizeof(special_zones) / sizeof(special_zones[0]); i++) {
		buf_printf(b, "local-zone: \"%s\" nodefault\n", special_zones[i]);
		if (!anchors_cover(o->anchors, special_zones[i]))
			buf_printf(b, "domain-insecure: \"%s\"\n", special_zones[i]);
	}
	buf_puts(b, "unblock-lan-zones: yes\ninsecure-lan-zones: yes\n");
}

static void
put_config(struct buf *b, const struct resolve_options *o)
{
	unsigned long long cache = o->cache;

	/* Records take about twice the memory of messages. Small tables, one of each: there is one
	 * thread, and 6 MB for the whole process. */
	buf_printf(b,
	    "server:\n"
	    "msg-cache-size: %llu\nrrset-cache-size: %llu\nkey-cache-size: %llu\n"
	    "neg-cache-size: %llu\n",
	    cache * 3 / 10, cache * 5 / 10, cache / 10, cache / 10);
	buf_puts(b,
	    "msg-cache-slabs: 1\nrrset-cache-slabs: 1\nkey-cache-slabs: 1\ninfra-cache-slabs: 1\n"
	    "infra-cache-numhosts: 2000\nnum-queries-per-thread: 512\noutgoing-range: 256\n"
	    "outgoing-num-tcp: 16\nincoming-num-tcp: 0\nedns-buffer-size: 1232\n"
	    "cache-max-ttl: 86400\ncache-max-negative-ttl: 900\n"
	    "use-syslog: no\nverbosity: 0\nval-log-level: 0\nlog-servfail: no\n"
	    "do-not-query-localhost: no\nminimal-responses: yes\nqname-minimisation: yes\n"
	    "harden-glue: yes\nharden-dnssec-stripped: yes\nharden-below-nxdomain: yes\n"
	    "val-permissive-mode: no\nval-clean-additional: yes\n"
	    /* Never: before 1.25.2 libunbound ends the process when it counts so many (CVE-2026-44621). */
	    "unwanted-reply-threshold: 0\n");
	if (o->nservers > 0)
		put_special_zones(b, o);
}

/* libunbound takes these settings only from a file; it may be one without a place. */
static int
load_config(struct ub_ctx *ub, const struct resolve_options *o)
{
	struct buf b;
	char path[64];
	int fd = memfd_create("unbound.conf", MFD_CLOEXEC), rc = -1;

	buf_init(&b, CONFIG_MAX);
	put_config(&b, o);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd >= 0 && write(fd, buf_data(&b), buf_len(&b)) == (ssize_t)buf_len(&b) &&
	    lseek(fd, 0, SEEK_SET) == 0)
		rc = ub_ctx_config(ub, path);
	if (fd >= 0)
		close(fd);
	buf_free(&b);
	return rc;
}

static void
add_anchor(void *arg, const char *record)
{
	if (ub_ctx_add_ta(arg, record) != 0)
		log_error(NULL, "trust-anchor=refused record=\"%s\"", LOGS(str_of(record)));
}

static int
configure(struct ub_ctx *ub, const struct resolve_options *o, const char **why)
{
	*why = "settings";
	if (load_config(ub, o) != 0)
		return -1;
	*why = "servers";
	for (size_t i = 0; i < o->nservers; i++)
		if (ub_ctx_set_fwd(ub, o->servers[i]) != 0)
			return -1;
	*why = "trust anchors";
	if (anchors_each(o->anchors, add_anchor, ub) < 0)
		return -1;
	/* This makes libunbound read its settings and open what it needs now. */
	*why = "start";
	return ub_ctx_zone_remove(ub, "nothing.invalid.");
}

/* The kernel ends this process (SIGALRM) when libunbound spins: master starts a fresh one. */
static void
watchdog(unsigned seconds)
{
	struct itimerval it = { .it_value.tv_sec = seconds };

	setitimer(ITIMER_REAL, &it, NULL);
}

struct resolve *
resolve_new(const struct resolve_options *o, const char **why)
{
	struct resolve *r = xcalloc(1, sizeof(*r));

	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->abandoned);
	buf_init(&r->records, RESOLVE_RECORDS_MAX);
	r->timeout_ms = o->timeout_ms;
	r->events = resolver_events_new();
	*why = "memory";
	if ((r->ub = ub_ctx_create_ub_event(r->events)) == NULL || configure(r->ub, o, why) != 0)
		resolve_free(&r);
	return r;
}

void
resolve_set_timeout(struct resolve *r, uint64_t ms)
{
	r->timeout_ms = ms;
}

void
resolve_free(struct resolve **rp)
{
	struct resolve *r = *rp;
	struct question *q;

	if (r == NULL)
		return;
	*rp = NULL;
	watchdog(0);
	if (r->ub != NULL)
		ub_ctx_delete(r->ub);
	while ((q = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, q, link);
		free(q);
	}
	while ((q = TAILQ_FIRST(&r->abandoned)) != NULL) {
		TAILQ_REMOVE(&r->abandoned, q, link);
		free(q);
	}
	io_timer_free(&r->deadline);
	io_timer_free(&r->alive);
	resolver_events_free(&r->events);
	buf_free(&r->records);
	free(r);
}

/* --- time ------------------------------------------------------------------------------------- */

static void
on_alive(void *arg)
{
	struct resolve *r = arg;
	struct question *oldest = TAILQ_FIRST(&r->abandoned);

	if (r->count == 0) {
		watchdog(0);
		return;
	}
	if (oldest != NULL && io_now_ms(r->loop) - oldest->asked_ms > RESOLVE_LOST_MS)
		fatal("libunbound lost a question");
	watchdog(RESOLVE_WATCHDOG_S);
	io_timer_set(r->alive, RESOLVE_ALIVE_MS);
}

static void
set_deadline(struct resolve *r)
{
	struct question *oldest = TAILQ_FIRST(&r->waiting);
	uint64_t now, end;

	if (oldest == NULL) {
		io_timer_stop(r->deadline);
		return;
	}
	now = io_now_ms(r->loop);
	end = oldest->asked_ms + r->timeout_ms;
	io_timer_set(r->deadline, end > now ? end - now : 0);
}

/* The question stays with libunbound (its answer goes into the cache), but nobody waits for it. */
static void
abandon(struct question *q)
{
	TAILQ_REMOVE(&q->r->waiting, q, link);
	TAILQ_INSERT_TAIL(&q->r->abandoned, q, link);
	q->fn = NULL;
}

static void
on_deadline(void *arg)
{
	struct resolve *r = arg;
	struct question *q;
	uint64_t now = io_now_ms(r->loop);

	while ((q = TAILQ_FIRST(&r->waiting)) != NULL && q->asked_ms + r->timeout_ms <= now) {
		resolve_fn *fn = q->fn;

		abandon(q);
		fn(q->arg, &(struct resolve_result){ .result = IPC_TEMP });
	}
	set_deadline(r);
}

void
resolve_start(struct resolve *r, struct io_loop *loop)
{
	r->loop = loop;
	resolver_events_set_loop(r->events, loop);
	r->deadline = io_timer_new(loop, on_deadline, r);
	r->alive = io_timer_new(loop, on_alive, r);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void
interpret(const struct question *q, int rcode, const uint8_t *packet, size_t size, int sec,
    struct resolve_result *out, struct dns_answer *answer)
{
	int rc;

	/* Bogus comes with rcode 0 and a packet: look at this first. */
	out->bogus = sec == SEC_BOGUS;
	if (sec == SEC_BOGUS || (rcode != 0 && rcode != RCODE_NXDOMAIN))
		return;
	if (packet == NULL || size == 0) {
		out->result = rcode == RCODE_NXDOMAIN ? IPC_NO : IPC_TEMP;
		return;
	}
	rc = dns_answer_read(packet, size, q->type, answer);
	if (rc < 0 || (answer->rcode != 0 && answer->rcode != RCODE_NXDOMAIN))
		return;
	out->result = rc == 1 ? IPC_OK : IPC_NO;
	out->secure = sec == SEC_SECURE;
	out->answer = answer;
}

static void
question_free(struct question *q)
{
	struct resolve *r = q->r;

	if (q->fn != NULL)
		TAILQ_REMOVE(&r->waiting, q, link);
	else
		TAILQ_REMOVE(&r->abandoned, q, link);
	r->count--;
	free(q);
}

static void
on_answer(void *arg, int rcode, void *packet, int size, int sec, char *why_bogus, int ratelimited)
{
	struct question *q = arg;
	struct resolve *r = q->r;
	struct resolve_result result = { .result = IPC_TEMP };
	struct dns_answer answer = { .records = r->records };
	resolve_fn *fn = q->fn;

	(void)ratelimited;
	if (fn == NULL)
		goto out;
	interpret(q, rcode, packet, size > 0 ? (size_t)size : 0, sec, &result, &answer);
	r->records = answer.records;
	if (sec == SEC_BOGUS)
		log_info(NULL, "dns=bogus why=\"%s\"", LOGS(str_of(why_bogus)));
	abandon(q);
	fn(q->arg, &result);
	set_deadline(r);
out:
	if (q->asking)
		q->done = true; /* from the cache: resolve_ask still uses it */
	else
		question_free(q);
}

static bool
refuse(resolve_fn *fn, void *arg, enum ipc_result why)
{
	fn(arg, &(struct resolve_result){ .result = why });
	return true;
}

static struct question *
question_new(struct resolve *r, uint16_t type, resolve_fn *fn, void *arg)
{
	struct question *q = xcalloc(1, sizeof(*q));

	q->r = r;
	q->fn = fn;
	q->arg = arg;
	q->type = type;
	q->asked_ms = io_now_ms(r->loop);
	TAILQ_INSERT_TAIL(&r->waiting, q, link);
	if (r->count++ == 0)
		on_alive(r);
	return q;
}

struct question *
resolve_ask(struct resolve *r, struct str text, uint32_t type, resolve_fn *fn, void *arg)
{
	struct dns_name name;
	char plain[DNS_TEXT_MAX];
	struct question *q;

	if (!dns_name_parse(text, &name) || dns_type_is_meta(type)) {
		refuse(fn, arg, IPC_INVALID);
		return NULL;
	}
	if (r->count >= RESOLVE_WAITING_MAX) {
		refuse(fn, arg, IPC_TEMP);
		return NULL;
	}
	q = question_new(r, (uint16_t)type, fn, arg);
	q->asking = true;
	if (ub_resolve_event(
		r->ub, dns_name_text(&name, plain), (int)type, CLASS_IN, q, on_answer, NULL) != 0) {
		abandon(q);
		q->done = refuse(fn, arg, IPC_TEMP);
	}
	q->asking = false;
	if (q->done) {
		question_free(q);
		return NULL;
	}
	set_deadline(r);
	return q;
}

void
question_forget(struct question **qp)
{
	struct question *q = *qp;

	*qp = NULL;
	if (q != NULL && q->fn != NULL)
		abandon(q);
}
