/* SPDX-License-Identifier: ISC */
/* Messages on their way in from an IMAP client: small ones wait in memory, others in files. */
#include "mailbox/append.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "mailbox/backend_priv.h"
#include "mailbox/thread.h"

struct imap_append {
	struct backend *backend;
	struct imap_session *session;
	struct folder *folder;
	struct store_arrival *messages;
	size_t n;
	size_t left;     /* bytes of the last message that are still to come */
	size_t memory;   /* of all messages that wait there */
	uint64_t bytes;  /* of all messages */
	struct buf head; /* start of a message that goes to a file */
};

enum imap_result
append_begin(struct backend *b, struct imap_session *s, struct folder *f, struct imap_append **out)
{
	struct imap_append *a;

	if (f->gone)
		return IMAP_NONEXISTENT;
	if (store_low(b->store))
		return IMAP_UNAVAILABLE;
	a = xcalloc(1, sizeof(*a));
	a->backend = b;
	a->session = s;
	a->folder = f;
	f->opens++;
	buf_init(&a->head, THREAD_HEADER_MAX);
	*out = a;
	return IMAP_DONE;
}

static void
append_free(struct imap_append **ap)
{
	struct imap_append *a = *ap;

	*ap = NULL;
	for (size_t i = 0; i < a->n; i++) {
		free(a->messages[i].bytes);
		if (a->messages[i].large != NULL)
			store_large_abort(&a->messages[i].large);
	}
	a->folder->opens--;
	model_folder_release(store_model(a->backend->store), a->folder);
	buf_free(&a->head);
	free(a->messages);
	free(a);
}

void
append_abort(struct imap_append **a)
{
	if (*a != NULL)
		append_free(a);
}

enum imap_result
append_message(
    struct imap_append *a, imap_flags flags, bool has_when, struct imap_time when, uint64_t size)
{
	struct backend *b = a->backend;
	struct store_arrival *m;
	int e;

	if (size > b->message_max)
		return IMAP_TOOBIG;
	if (a->n == BACKEND_APPEND_MESSAGES)
		return IMAP_LIMIT;
	a->bytes += size;
	if (!backend_has_room(b, a->bytes, a->n + 1))
		return IMAP_OVERQUOTA;
	a->messages = xrealloc(a->messages, (a->n + 1) * sizeof(*a->messages));
	m = &a->messages[a->n];
	*m = (struct store_arrival){ .flags = flags & REC_FLAGS_MASK,
		.seconds = has_when ? when.seconds : (int64_t)(b->now_ms(b->arg) / 1000),
		.zone = has_when ? when.zone : 0,
		.size = (size_t)size };
	if (size > JOURNAL_INLINE_MAX || a->memory + size > BACKEND_APPEND_MEMORY) {
		if ((e = store_large_new(b->store, &m->large)) != 0)
			return backend_result(e);
		buf_clear(&a->head);
	} else {
		m->bytes = xmalloc((size_t)size + 1);
		a->memory += (size_t)size;
	}
	a->n++;
	a->left = (size_t)size;
	if (size == 0)
		return append_bytes(a, "", 0);
	return IMAP_DONE;
}

enum imap_result
append_bytes(struct imap_append *a, const void *p, size_t n)
{
	struct store_arrival *m = &a->messages[a->n - 1];
	size_t room = buf_room(&a->head);

	if (n > a->left)
		return IMAP_CANNOT;
	if (m->large == NULL) {
		memcpy(m->bytes + (m->size - a->left), p, n);
	} else {
		buf_put(&a->head, p, n < room ? n : room);
		if (store_large_write(m->large, p, n) != 0)
			return IMAP_UNAVAILABLE;
	}
	a->left -= n;
	if (a->left == 0 && m->large != NULL && store_large_end(m->large) != 0)
		return IMAP_UNAVAILABLE;
	if (a->left == 0)
		m->thread =
		    thread_id(m->large == NULL ? str_from(m->bytes, m->size)
					       : str_from(buf_data(&a->head), buf_len(&a->head)));
	return IMAP_DONE;
}

enum imap_result
append_commit(struct imap_append **ap, uint32_t token, struct imap_done *done)
{
	struct imap_append *a = *ap;
	struct backend *b = a->backend;
	enum imap_result r = IMAP_UNAVAILABLE;
	uint32_t first = 0;
	int e;

	(void)done;
	if (!backend_has_room(b, a->bytes, a->n)) {
		r = IMAP_OVERQUOTA; /* others have added meanwhile */
	} else if (a->n > 0 && a->left == 0) {
		e = store_arrive(b->store, a->folder, a->messages, a->n, &first);
		r = backend_result(e);
	}
	if (r == IMAP_DONE) {
		backend_arrived(b, a->folder);
		r = backend_wait(b, a->session, token,
		    (struct imap_done){ IMAP_DONE, a->folder->uidvalidity, first });
	}
	append_free(ap);
	return r;
}
