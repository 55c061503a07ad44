/* SPDX-License-Identifier: ISC */
/* Between backend.c, append.c and quota.c. */
#ifndef POSTERN_MAILBOX_BACKEND_PRIV_H
#define POSTERN_MAILBOX_BACKEND_PRIV_H

#include <sys/queue.h>

#include "mailbox/backend.h"

/* An operation that waits for stable storage. */
struct pending {
	TAILQ_ENTRY(pending) link;
	struct backend *backend;
	struct imap_session *session; /* NULL: has gone */
	uint32_t token;
	struct imap_done done;
};

TAILQ_HEAD(pending_list, pending);

struct backend {
	struct store *store;
	struct search_index *index;
	uint64_t (*now_ms)(void *arg);
	void *arg;
	uint64_t message_max;
	struct {
		uint64_t bytes, messages;
	} quota_default, quota_own;
	struct pending_list pending;
};

void backend_quota(void *be, struct imap_quota *q);
/* May the user add so much? */
bool backend_has_room(struct backend *b, uint64_t bytes, uint64_t messages);
struct imap_folder *backend_handle(struct folder *f);
enum imap_result backend_result(int store_result);
/* done goes to the session once everything done until now is stable. Returns IMAP_PENDING. */
enum imap_result backend_wait(
    struct backend *b, struct imap_session *s, uint32_t token, struct imap_done done);

#endif
