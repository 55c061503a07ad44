/* SPDX-License-Identifier: ISC */
/* The append operations of the backend: as their members in struct imap_backend_ops say. */
#ifndef POSTERN_MAILBOX_APPEND_H
#define POSTERN_MAILBOX_APPEND_H

#include "mailbox/backend.h"

enum imap_result append_begin(
    struct backend *b, struct imap_session *s, struct folder *f, struct imap_append **out);
enum imap_result append_message(
    struct imap_append *a, imap_flags flags, bool has_when, struct imap_time when, uint64_t size);
enum imap_result append_bytes(struct imap_append *a, const void *p, size_t n);
enum imap_result append_commit(struct imap_append **a, uint32_t token, struct imap_done *done);
void append_abort(struct imap_append **a);

#endif
