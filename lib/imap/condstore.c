/* SPDX-License-Identifier: ISC */
/* ENABLE, and what CONDSTORE and QRESYNC (rfc7162) add to other commands. */
#include "imap/respond.h"
#include "imap/state.h"

void
imap_put_modseq(struct imap_session *s, uint64_t modseq)
{
	imap_check(s,
	    buf_puts(&s->out, "MODSEQ (") | imap_put_u64(&s->out, modseq) | buf_putc(&s->out, ')'));
}

void
imap_condstore_on(struct imap_session *s)
{
	if (s->enabled & IMAP_ON_CONDSTORE)
		return;
	s->enabled |= IMAP_ON_CONDSTORE;
	/* rfc7162:3.1: the first such command tells it, if a folder is open */
	if (s->view.folder != NULL)
		imap_put(s, "* OK [HIGHESTMODSEQ %llu] All is told up to here\r\n",
		    (unsigned long long)s->synced);
}

/* rfc5161: names that cannot be enabled, or are hidden from this account, are passed over. */
bool
imap_cmd_enable(struct imap_session *s, struct imap_parse *p)
{
	static const struct {
		enum imap_cap cap;
		unsigned on;
	} can[] = {
		{ IMAP_CAP_CONDSTORE, IMAP_ON_CONDSTORE },
		{ IMAP_CAP_QRESYNC, IMAP_ON_CONDSTORE | IMAP_ON_QRESYNC },
		{ IMAP_CAP_UTF8_ACCEPT, IMAP_ON_UTF8 },
		{ IMAP_CAP_IMAP4REV2, IMAP_ON_REV2 },
	};
	imap_caps asked = 0;
	struct str name;

	if (!imap_parse_sp(p))
		return false;
	do {
		enum imap_cap c;

		if (!imap_parse_atom(p, &name))
			return false;
		if ((c = imap_cap_find(name)) < IMAP_CAP__MAX && imap_has(s, c))
			asked |= IMAP_CAP_BIT(c);
	} while (imap_parse_try(p, ' '));
	if (!imap_parse_end(p))
		return false;
	imap_put(s, "* ENABLED");
	for (size_t i = 0; i < sizeof(can) / sizeof(can[0]); i++)
		if (asked & IMAP_CAP_BIT(can[i].cap))
			imap_put(s, " %s", imap_cap_name(can[i].cap).p);
	imap_put(s, "\r\n");
	for (size_t i = 0; i < sizeof(can) / sizeof(can[0]); i++) {
		if (!(asked & IMAP_CAP_BIT(can[i].cap)))
			continue;
		if (can[i].on & IMAP_ON_CONDSTORE)
			imap_condstore_on(s);
		s->enabled |= can[i].on;
	}
	imap_reply(s, "OK Done");
	return true;
}

/* ---- VANISHED (EARLIER) -----------------------------------------------------------------------
 */
struct earlier {
	struct imap_session *s;
	const struct imap_set *set;
	size_t range; /* of the set: those before end below what comes next */
	bool any;
	int failed;
};

static void
run_put(struct earlier *e, uint32_t lo, uint32_t hi)
{
	struct buf *b = &e->s->scratch;

	e->failed |= buf_puts(b, e->any ? "," : "* VANISHED (EARLIER) ") | imap_put_u64(b, lo);
	if (hi > lo)
		e->failed |= buf_putc(b, ':') | imap_put_u64(b, hi);
	e->any = true;
}

/* Less what the client still counts: it hears of that at the end of a command. */
static void
run_without_gone(struct earlier *e, uint32_t lo, uint32_t hi)
{
	const struct imap_uidset *gone = &e->s->view.gone;

	for (size_t i = imap_uidset_below(gone, lo); i < imap_uidset_count(gone); i++) {
		uint32_t uid = imap_uidset_at(gone, i);

		if (uid > hi)
			break;
		if (uid > lo)
			run_put(e, lo, uid - 1);
		if (uid == hi)
			return;
		lo = uid + 1;
	}
	run_put(e, lo, hi);
}

static void
on_run(void *arg, uint32_t lo, uint32_t hi)
{
	struct earlier *e = arg;

	while (e->range < e->set->n && e->set->r[e->range].hi < lo)
		e->range++;
	for (size_t k = e->range; k < e->set->n && e->set->r[k].lo <= hi; k++) {
		const struct imap_range *r = &e->set->r[k];

		run_without_gone(e, r->lo > lo ? r->lo : lo, r->hi < hi ? r->hi : hi);
	}
}

void
imap_put_earlier(struct imap_session *s, const struct imap_set *set, uint64_t modseq)
{
	struct earlier e = { .s = s, .set = set };

	buf_clear(&s->scratch);
	s->ops->vanished(s->be, s->view.folder, modseq, on_run, &e);
	if (!e.any)
		return;
	e.failed |= buf_puts(&s->scratch, "\r\n");
	imap_check(s, e.failed);
	s->chunk = str_from(buf_data(&s->scratch), s->scratch.len);
}

/* One line of what is gone; the rest comes in further ones. */
void
imap_tell_vanished(struct imap_session *s)
{
	enum { LINE = 1024 };
	uint32_t uids[LINE];
	size_t n = 0;

	while (n < LINE && imap_uidset_count(&s->view.gone) > 0) {
		uids[n++] = imap_uidset_at(&s->view.gone, 0);
		imap_view_take_gone(&s->view);
	}
	imap_check(s, buf_puts(&s->out, "* VANISHED ") | imap_put_set(&s->out, uids, n) |
			  buf_puts(&s->out, "\r\n"));
}
