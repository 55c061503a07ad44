/* SPDX-License-Identifier: ISC */
/* Inside of delivery/ only. */
#ifndef POSTERN_DELIVERY_IMPL_H
#define POSTERN_DELIVERY_IMPL_H

#include <sys/queue.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "delivery/delivery.h"
#include "smtp_client/smtp_client.h"

struct conn;
struct job;

/* A server that failed in TLS, until when. */
struct no_tls {
	struct route_address address;
	uint64_t until_ms; /* 0: a free place */
};

/* One question of a job to resolver. */
struct question {
	TAILQ_ENTRY(question) link; /* of those that wait for their turn */
	struct job *job;
	size_t fact; /* its place in the job's list */
	uint64_t id; /* 0: it waits */
};
TAILQ_HEAD(question_list, question);

struct delivery {
	struct io_loop *loop;
	struct delivery_options o;
	struct dns_name own_name;
	struct ipc_channel *resolver, *queue; /* NULL while the peer is away */

	LIST_HEAD(, job) jobs;
	struct map *by_id; /* queue's number -> job */
	size_t njobs;
	uint64_t seed; /* of routes: another for each job */

	struct map *questions; /* number -> question that was asked */
	struct question_list waiting;
	size_t nasked;
	uint64_t last_question;

	TAILQ_HEAD(, job) credit; /* jobs that wait for room in flight */
	size_t in_flight;         /* content that queue was asked for and has not come */

	LIST_HEAD(, conn) conns;
	TAILQ_HEAD(conn_list, conn) idle; /* the oldest first */
	size_t nidle;

	struct no_tls no_tls[DELIVERY_NO_TLS_MAX];
	size_t next_no_tls;

	bool stopping;
	struct io_timer *stop_timer;
	void (*stopped)(void *arg);
	void *stopped_arg;
};

enum {
	JOB_FACTS_MAX = 1 + ROUTE_QUESTIONS_MAX,
	/* Two addresses of the longest kind for each recipient, and the sender's. */
	JOB_ARENA_MAX = SMTP_CLIENT_RCPT_MAX * 1100 + 4096,
	JOB_REMOTE_MAX = 320, /* as in ipc_table.h */
};

enum job_state { JOB_OPEN, JOB_ROUTING, JOB_CONNECTED };

/* What a job needs while its route is found. */
struct lookup {
	struct dns_fact facts[JOB_FACTS_MAX];
	struct question questions[JOB_FACTS_MAX];
	char *records[JOB_FACTS_MAX];
	size_t nfacts, missing;
};

/* One transaction that queue wants. */
struct job {
	LIST_ENTRY(job) entry;
	TAILQ_ENTRY(job) credit_entry;
	struct delivery *d;
	uint64_t id;
	char queue_id[25], domain[256]; /* domain: as it stands in the DNS */
	struct arena *arena;
	struct smtp_client_message message;
	struct smtp_client_rcpt *rcpts;
	struct smtp_client_result *results; /* one for each recipient, when done */
	size_t nrcpts, got;
	enum job_state state;
	uint64_t started_ms, seed;
	struct io_timer *timer; /* of the whole job */

	struct lookup *lookup;
	struct route_result *route; /* NULL: not known (yet) */
	size_t hop;                 /* the one that is tried */
	struct conn *conn;

	struct buf content;
	uint64_t granted, received, fed; /* bytes: asked for, come, given to the dialogue */
	bool waits_credit;

	/* What the hops before said. */
	struct smtp_client_result failure;
	char failure_remote[JOB_REMOTE_MAX];
	bool failed, some_temp, cancelled;
};

/* One connection to a server, for one job after the other. */
struct conn {
	LIST_ENTRY(conn) entry;
	TAILQ_ENTRY(conn) idle_entry;
	struct delivery *d;
	struct job *job; /* NULL: idle, or about to end */
	struct io_stream *stream;
	struct smtp_client *engine;
	char domain[256]; /* destination, the key of reuse */
	char host[256];   /* for TLS and logs; "" for an address literal */
	char remote[JOB_REMOTE_MAX];
	struct route_address address;
	uint16_t port;
	uint64_t started_ms;
	uint64_t messages;     /* transactions begun */
	bool connected, clear; /* clear: its TLS failed before */
	bool tls_refused, logged_in;
	bool sending; /* the engine has the job's message */
	bool pooled;
	/* For the deadline: what it was set for. */
	enum smtp_client_phase phase;
	uint64_t replies;
	bool armed;
};

/* --- job.c --- */
extern const struct ipc_ops delivery_queue_ops;
/* The route is known, or cannot be. */
void job_routed(struct job *j);
/* Content may go on: asks queue for more where there is room. */
void job_want(struct job *j);
/* The connection failed before the transaction had a result; it is gone already. again: the same
 * address once more. */
void job_failed(struct job *j, const struct smtp_client_result *r, const char *remote, bool again);
/* The engine has the results. */
void job_done(struct job *j);
/* Without a word to queue. */
void job_free(struct job *j);
/* The key by which connections are kept: the domain, or one for all with a smarthost. */
void job_destination(const struct job *j, char out[256]);
/* The final dot has left: only a reply is awaited. */
bool job_is_ending(const struct job *j);

/* --- lookup.c --- */
void lookup_start(struct job *j);
void lookup_stop(struct job *j);
extern const struct ipc_ops delivery_resolver_ops;

/* --- conn.c --- */
/* NULL: it failed at once, errno tells why. */
struct conn *conn_open(struct job *j, const struct route_hop *hop, const char *host);
/* A kept connection takes this job: its dialogue goes on. */
void conn_take(struct conn *c, struct job *j);
/* New content, or an abort: works on the dialogue. May free c. */
void conn_pump(struct conn *c);
/* Closes it at once; the job, if any, is left alone. */
void conn_free(struct conn *c);
/* "host [address]:port" */
void conn_remote(
    char out[JOB_REMOTE_MAX], const char *host, const struct route_address *a, uint16_t port);

/* --- pool.c: kept connections, and who failed in TLS --- */
/* NULL: none. */
struct conn *pool_take(struct delivery *d, const char *domain);
/* False: there is no room. */
bool pool_put(struct conn *c);
void pool_remove(struct conn *c);
bool no_tls_find(struct delivery *d, const struct route_address *a);
void no_tls_put(struct delivery *d, const struct route_address *a);

/* --- server.c --- */
/* A job or connection has gone: a stop may be complete. */
void delivery_check_stop(struct delivery *d);

#endif
