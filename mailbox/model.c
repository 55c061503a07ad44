/* SPDX-License-Identifier: ISC */
#include "mailbox/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bisect.h"
#include "base/xalloc.h"
#include "mailbox/model_priv.h"

struct model *
model_new(const struct model_ops *ops)
{
	struct model *m = xcalloc(1, sizeof(*m));

	m->ops = *ops;
	m->recovering = true;
	m->next_folder = 1;
	m->large = map_new();
	return m;
}

void
model_free(struct model **mp)
{
	struct model *m = *mp;

	if (m == NULL)
		return;
	*mp = NULL;
	for (uint32_t i = 0; i < m->nfolders; i++)
		folder_free(m->folders[i]);
	for (uint32_t i = 0; i < m->nnames; i++)
		free(m->names[i].name);
	map_free(&m->by_email);
	map_free(&m->large);
	free(m->folders);
	free(m->names);
	free(m->contents);
	free(m->blocks);
	free(m->deliveries);
	free(m);
}

/* --- deliveries --------------------------------------------------------------------------------
 */

/* Place of the first one with at least this number. */
static uint32_t
delivery_place(const struct model *m, uint64_t number)
{
	uint32_t at;

	BISECT(at, m->ndeliveries, i, m->deliveries[i].number < number);
	return at;
}

const struct model_delivery *
model_delivered(const struct model *m, uint64_t number, uint64_t origin)
{
	for (uint32_t i = delivery_place(m, number);
	     i < m->ndeliveries && m->deliveries[i].number == number; i++)
		if (m->deliveries[i].origin == origin)
			return &m->deliveries[i];
	return NULL;
}

static void
delivery_add(struct model *m, const struct rec_arrival *a)
{
	uint32_t at;

	if (!a->delivered || (a->number < m->floor && !m->keep_deliveries) ||
	    model_delivered(m, a->number, a->origin) != NULL)
		return;
	if (m->ndeliveries == m->deliveries_cap) {
		m->deliveries_cap = m->deliveries_cap + m->deliveries_cap / 4 + 16;
		m->deliveries = xrealloc(m->deliveries, m->deliveries_cap * sizeof(*m->deliveries));
	}
	at = delivery_place(m, a->number);
	memmove(&m->deliveries[at + 1], &m->deliveries[at],
	    (m->ndeliveries - at) * sizeof(*m->deliveries));
	m->deliveries[at] = (struct model_delivery){ a->number, a->origin, a->uid, a->folder };
	m->ndeliveries++;
}

static void
deliveries_trim(struct model *m)
{
	uint32_t n = m->keep_deliveries ? 0 : delivery_place(m, m->floor);

	if (n == 0)
		return;
	m->ndeliveries -= n;
	memmove(m->deliveries, &m->deliveries[n], m->ndeliveries * sizeof(*m->deliveries));
}

/* --- records -----------------------------------------------------------------------------------
 */

/* Of tables only the last record counts. */
static void
replace_ref(struct model *m, struct journal_ref *ref, struct journal_ref now)
{
	if (ref->pos != 0 && ref->pos != now.pos)
		m->ops.dead(m->ops.arg, *ref);
	*ref = now;
}

static int
apply_format(struct model *m, struct str meta, struct journal_ref ref)
{
	uint32_t version;

	if (rec_get_format(meta, &version) != 0)
		return REC_BAD;
	if (version > m->version)
		m->version = version;
	replace_ref(m, &m->format_ref, ref);
	return 0;
}

static int
apply_counters(struct model *m, struct str meta, struct journal_ref ref)
{
	struct rec_counters c;

	if (rec_get_counters(meta, &c) != 0)
		return REC_BAD;
	/* The last one holds: an orderly end gives the unused part of a block back. */
	m->reserved = c.modseq;
	if (c.floor > m->floor)
		m->floor = c.floor;
	deliveries_trim(m);
	replace_ref(m, &m->counters_ref, ref);
	return 0;
}

static int
apply_folders(struct model *m, struct str meta, struct journal_ref ref)
{
	struct rec_folders r;

	if (rec_get_folders(meta, &r) != 0)
		return REC_BAD;
	folders_apply(m, &r);
	replace_ref(m, &m->folders_ref, ref);
	return 0;
}

static int
apply_subscriptions(struct model *m, struct str meta, struct journal_ref ref)
{
	struct rec_names r;

	if (rec_get_subscriptions(meta, &r) != 0)
		return REC_BAD;
	subscriptions_apply(m, &r);
	replace_ref(m, &m->subscriptions_ref, ref);
	return 0;
}

static int
apply_keywords(struct model *m, struct str meta, struct journal_ref ref)
{
	struct rec_names r;
	struct folder *f;

	if (rec_get_keywords(meta, &r) != 0)
		return REC_BAD;
	if ((f = folder_for(m, r.folder)) == NULL) {
		m->ops.dead(m->ops.arg, ref);
		return 0;
	}
	keywords_apply(f, &r);
	replace_ref(m, &f->keywords_ref, ref);
	return 0;
}

static int
apply_arrival(struct model *m, bool entry, struct str meta, struct journal_ref ref,
    uint64_t content_len, uint64_t large_id)
{
	struct rec_arrival a;
	struct folder *f;
	uint32_t index;

	if (rec_get_arrival(meta, &a) != 0 || content_len > UINT32_MAX ||
	    (a.packed && content_len == 0))
		return REC_BAD;
	index = content_set(m, &a, ref, (uint32_t)content_len, large_id);
	delivery_add(m, &a);
	f = folder_for(m, a.folder);
	if (f != NULL)
		folder_saw(m, f, a.uid, entry ? a.modseq : 0);
	if (f != NULL && entry)
		message_set(m, f, index,
		    &(struct rec_message){ a.uid, a.email, a.modseq, a.flags, a.saved });
	return 0;
}

static int
apply_copy(struct model *m, struct str meta)
{
	struct rec_copy r;
	struct rec_message g;
	struct folder *f;

	if (rec_get_copy(meta, &r) != 0)
		return REC_BAD;
	if ((f = folder_for(m, r.folder)) == NULL)
		return 0;
	folder_reserve(f, r.n);
	g = (struct rec_message){ r.first_uid, 0, r.modseq, 0, r.saved };
	for (; rec_next_copy_message(&r, &g.email, &g.flags); g.uid++) {
		folder_saw(m, f, g.uid, r.modseq);
		message_set(m, f, content_for(m, g.email), &g);
	}
	return 0;
}

static int
apply_flags(struct model *m, struct str meta)
{
	struct rec_runs r;
	struct rec_run run;
	struct folder *f;

	if (rec_get_flags(meta, &r) != 0)
		return REC_BAD;
	if ((f = folder_for(m, r.folder)) == NULL)
		return 0;
	folder_saw(m, f, 0, r.modseq);
	while (rec_next_run(&r, &run))
		for (uint32_t i = model_find(f, run.lo); i < f->n && f->messages[i].uid <= run.hi;
		     i++)
			message_flags_set(f, &f->messages[i], r.modseq, run.flags);
	return 0;
}

static int
apply_expunge(struct model *m, struct str meta)
{
	struct rec_runs r;
	struct folder *f;

	if (rec_get_expunge(meta, &r) != 0)
		return REC_BAD;
	if ((f = folder_for(m, r.folder)) == NULL)
		return 0;
	folder_saw(m, f, r.uidnext - 1, r.modseq);
	messages_remove(m, f, &r);
	return 0;
}

static int
apply_chunk(struct model *m, struct str meta)
{
	struct rec_chunk r;
	struct folder *f;

	if (rec_get_chunk(meta, &r) != 0)
		return REC_BAD;
	if ((f = folder_for(m, r.folder)) == NULL)
		return 0;
	folder_saw(m, f, r.uidnext - 1, r.highest);
	/* The expunges it stands for may have been dropped. */
	if (m->recovering)
		vanished_forget(&f->vanished, r.highest);
	messages_exactly(m, f, &r);
	return 0;
}

int
model_apply(struct model *m, unsigned type, struct str meta, struct journal_ref ref,
    uint64_t content_len, uint64_t large_id)
{
	uint64_t id;

	switch (type) {
	case REC_FORMAT:
		return apply_format(m, meta, ref);
	case REC_FOLDERS:
		return apply_folders(m, meta, ref);
	case REC_SUBSCRIPTIONS:
		return apply_subscriptions(m, meta, ref);
	case REC_KEYWORDS:
		return apply_keywords(m, meta, ref);
	case REC_COUNTERS:
		return apply_counters(m, meta, ref);
	case REC_ARRIVAL:
	case REC_CONTENT:
		return apply_arrival(m, type == REC_ARRIVAL, meta, ref, content_len, large_id);
	case REC_COPY:
		return apply_copy(m, meta);
	case REC_FLAGS:
		return apply_flags(m, meta);
	case REC_EXPUNGE:
		return apply_expunge(m, meta);
	case REC_CHUNK:
		return apply_chunk(m, meta);
	case REC_BEGIN:
	case REC_END:
		return rec_get_mark(meta, &id);
	default:
		return REC_BAD;
	}
}

void
model_settle(struct model *m)
{
	m->recovering = false;
	folders_settle(m);
	contents_settle(m);
	model_content_forget(m);
	/* What was reserved may have been used. */
	if (m->reserved > m->modseq)
		m->modseq = m->reserved;
	/* Read from the beginning: expunges from before the oldest record are not known. */
	for (uint32_t i = 0; i < m->nfolders && !m->resumed; i++)
		vanished_forget(&m->folders[i]->vanished, m->modseq);
}

uint64_t
model_email_next(const struct model *m, uint64_t now_ms)
{
	uint64_t e = (now_ms & (((uint64_t)1 << 44) - 1)) << 20;

	return e > m->last_email ? e : m->last_email + 1;
}
