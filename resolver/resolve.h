/* SPDX-License-Identifier: ISC */
/*
 * Questions to the DNS through libunbound: full recursion with validation, or by way of given
 * servers. libunbound is given no trust: its answers are parsed and checked again (dns/answer.h).
 */
#ifndef POSTERN_RESOLVER_RESOLVE_H
#define POSTERN_RESOLVER_RESOLVE_H

#include "base/str.h"
#include "dns/answer.h"
#include "io/io.h"
#include "ipc/ipc.h"

enum {
	/* Questions that wait, all clients together: what the memory limit bears (4 KB each). */
	RESOLVE_WAITING_MAX = 1024,
	/* Bytes of records in one answer: the field of the message (ipc_table.h: dns_answer). */
	RESOLVE_RECORDS_MAX = 65000,
	/* Once in this time the watchdog is told that the loop still turns; it ends the process
	 * after RESOLVE_WATCHDOG_S without. Only while questions wait. */
	RESOLVE_ALIVE_MS = 1000,
	RESOLVE_WATCHDOG_S = 10,
	/* libunbound gives up by itself long before; what is older was lost in it. */
	RESOLVE_LOST_MS = 300000,
};

struct resolve;
struct question;

struct resolve_options {
	const char *const *servers; /* "192.0.2.1@5353", to be asked instead of the root's */
	size_t nservers;
	struct str anchors; /* zone file text; empty: nothing is validated */
	uint64_t cache;     /* bytes */
	uint64_t timeout_ms;
};

struct resolve_result {
	enum ipc_result result; /* OK, NO (no such record), TEMP, INVALID (no such question) */
	bool secure;            /* validated: also that there is no such record */
	bool bogus;             /* TEMP: answers came, and DNSSEC refuses them */
	const struct dns_answer *answer; /* with OK and NO; borrowed for the call */
};
typedef void resolve_fn(void *arg, const struct resolve_result *r);

/* Reads and opens everything that needs files: before the sandbox. NULL and a reason in *why. */
struct resolve *resolve_new(const struct resolve_options *o, const char **why);
void resolve_start(struct resolve *r, struct io_loop *loop);
void resolve_set_timeout(struct resolve *r, uint64_t ms);
void resolve_free(struct resolve **r);

/* Calls fn once, possibly before it returns NULL; else later, unless question_forget comes first.
 */
struct question *resolve_ask(
    struct resolve *r, struct str name, uint32_t type, resolve_fn *fn, void *arg);
/* fn is not called any more. */
void question_forget(struct question **q);

#endif
