/* SPDX-License-Identifier: ISC */
/* The store as the IMAP engine sees it (imap/imap_backend.h). */
#ifndef POSTERN_MAILBOX_BACKEND_H
#define POSTERN_MAILBOX_BACKEND_H

#include "imap/imap_backend.h"
#include "mailbox/store.h"

enum {
	/* Small messages of one APPEND that wait in memory; further ones go to files. */
	BACKEND_APPEND_MEMORY = 1024 * 1024,
	/* Messages in one APPEND (rfc3502). */
	BACKEND_APPEND_MESSAGES = 1000,
};

struct backend;
struct search_index;

extern const struct imap_backend_ops backend_ops;

/* The store is set once it is open: its folder_gone callback is backend_folder_gone. */
struct backend *backend_new(uint64_t (*now_ms)(void *arg), void *arg);
void backend_free(struct backend **b);
void backend_set_store(struct backend *b, struct store *s);
/* NULL: there is none. */
void backend_set_index(struct backend *b, struct search_index *x);
void backend_set_message_max(struct backend *b, uint64_t bytes);
/* Limits of what the user may add (0: none): of the settings, and those of the account (0: as the
 * settings say, UINT64_MAX: none; true: they are others than before). */
void backend_set_quota_default(struct backend *b, uint64_t bytes, uint64_t messages);
bool backend_set_quota(struct backend *b, uint64_t bytes, uint64_t messages);
/* What it holds and may hold. true: it is full, nothing more should come. */
bool backend_full(struct backend *b, struct imap_quota *q);
void backend_folder_gone(struct backend *b, struct folder *f);
/* New messages stand in f: tells the sessions that have it open. */
void backend_arrived(struct backend *b, struct folder *f);

#endif
