/* SPDX-License-Identifier: ISC */
/* What the mailbox holds, and what its user may still add. Deliveries are not asked: what was accepted is
 * kept; accounts hears when the mailbox is full, and then nothing more is accepted. */
#include "mailbox/backend_priv.h"

void
backend_set_quota_default(struct backend *b, uint64_t bytes, uint64_t messages)
{
	b->quota_default.bytes = bytes;
	b->quota_default.messages = messages;
}

bool
backend_set_quota(struct backend *b, uint64_t bytes, uint64_t messages)
{
	bool same = b->quota_own.bytes == bytes && b->quota_own.messages == messages;

	b->quota_own.bytes = bytes;
	b->quota_own.messages = messages;
	return !same;
}

static uint64_t
limit(uint64_t own, uint64_t fallback)
{
	return own == 0 ? fallback : own == UINT64_MAX ? 0 : own;
}

void
backend_quota(void *be, struct imap_quota *q)
{
	struct backend *b = be;
	const struct model *m = store_model(b->store);

	*q = (struct imap_quota){
		.bytes_limit = limit(b->quota_own.bytes, b->quota_default.bytes),
		.messages_limit = limit(b->quota_own.messages, b->quota_default.messages),
	};
	for (uint32_t i = 0; i < m->nfolders; i++) {
		q->bytes += m->folders[i]->bytes;
		q->messages += m->folders[i]->n;
	}
}

static bool
has_room(const struct imap_quota *q, uint64_t bytes, uint64_t messages)
{
	return (q->bytes_limit == 0 || q->bytes + bytes <= q->bytes_limit) &&
	       (q->messages_limit == 0 || q->messages + messages <= q->messages_limit);
}

bool
backend_has_room(struct backend *b, uint64_t bytes, uint64_t messages)
{
	struct imap_quota q;

	backend_quota(b, &q);
	return has_room(&q, bytes, messages);
}

/* The smallest message would be too much. */
bool
backend_full(struct backend *b, struct imap_quota *q)
{
	backend_quota(b, q);
	return !has_room(q, 1, 1);
}
