/* SPDX-License-Identifier: ISC */
/* THREAD and UID THREAD as a command (rfc5256): searches as SEARCH does, reads the headers, threads,
 * and tells the numbers; others have their turn in between. */
#include "imap/headerkeys.h"
#include "imap/limits.h"
#include "imap/searching.h"
#include "imap/thread.h"

struct threading {
	struct imap_searching search;
	enum imap_thread_algorithm how;
	struct arena *arena;
	struct imap_keys_reader reader;
	struct imap_thread_message *messages;
	size_t read;
	bool full, begun, threaded, written;
	struct imap_thread thread;
};

static void
threading_cleanup(struct imap_session *s)
{
	struct threading *c = s->cmd;

	imap_searching_free(&c->search);
	imap_keys_reader_free(&c->reader);
	if (c->begun)
		imap_thread_free(&c->thread);
	arena_free(&c->arena);
}

/* One turn of reading; true: all is read. */
static bool
threading_read(struct imap_session *s, struct threading *c)
{
	unsigned want = IMAP_WANT_DATE | IMAP_WANT_SUBJECT;
	struct imap_header_keys h;
	struct imap_message m;

	if (c->how == IMAP_THREAD_REFERENCES)
		want |= IMAP_WANT_IDS;
	if (c->messages == NULL && c->search.n > 0) {
		c->messages = arena_alloc(c->arena, c->search.n * sizeof(c->messages[0]));
		c->full = c->messages == NULL;
	}
	for (unsigned n = 0; n < IMAP_TURN_HEADERS && c->read < c->search.n && !c->full; n++) {
		c->full = !imap_keys_message(
		    &c->reader, &s->view, c->search.found[c->read], want, c->arena, &m, &h);
		c->messages[c->read++] = (struct imap_thread_message){
			.date = h.has_date ? h.date : m.internal.seconds,
			.subject = h.subject,
			.id = h.id,
			.refs = h.refs,
			.nrefs = h.nrefs,
			.reply = h.reply,
		};
	}
	return c->full || c->read == c->search.n;
}

struct numbering {
	struct imap_session *s;
	const uint32_t *found;
};

static uint32_t
number(void *arg, uint32_t i)
{
	const struct numbering *n = arg;

	return n->s->by_uid ? n->found[i] : imap_view_seq_of(&n->s->view, n->found[i]);
}

/* True: all is written. */
static bool
threads_put(struct imap_session *s, struct threading *c)
{
	struct numbering n = { s, c->search.found };

	if (!c->written) {
		imap_put(s, "* THREAD");
		if (c->search.n > 0)
			imap_put(s, " ");
		c->written = true;
	}
	if (!imap_thread_put(&c->thread, &s->out, IMAP_OUT_LOW, number, &n))
		return false;
	imap_put(s, "\r\n");
	return true;
}

/* One turn of the work before there is something to say; true: it is over. */
static bool
threading_work(struct imap_session *s, struct threading *c)
{
	if (!c->search.complete) {
		c->search.complete = imap_searching_look(s, &c->search);
		return false;
	}
	if (!c->begun) {
		if (!threading_read(s, c))
			return false;
		imap_thread_begin(&c->thread, c->how, c->messages, c->full ? 0 : c->search.n);
		c->begun = true;
	}
	c->threaded = imap_thread_step(&c->thread);
	return c->threaded;
}

static enum imap_step
threading_step(struct imap_session *s)
{
	struct threading *c = s->cmd;

	if (!c->threaded && !threading_work(s, c))
		return !c->search.complete || c->search.n > IMAP_TURN_HEADERS ? IMAP_STEP_YIELD
									      : IMAP_STEP_MORE;
	if (c->search.work.exhausted) {
		imap_reply(s, "%s", IMAP_SEARCH_EXHAUSTED);
		return IMAP_STEP_DONE;
	}
	if (c->full) {
		imap_reply(s, "NO [LIMIT] These are too many messages for threads");
		return IMAP_STEP_DONE;
	}
	if (!threads_put(s, c))
		return IMAP_STEP_MORE;
	if (c->search.work.damaged)
		imap_reply(s, "NO [CORRUPTION] Some of the messages cannot be read");
	else
		imap_reply(s, "OK Thread completed");
	return IMAP_STEP_DONE;
}

static bool
algorithm_parse(struct imap_parse *p, enum imap_thread_algorithm *how)
{
	struct str word;

	if (!imap_parse_atom(p, &word))
		return false;
	*how = str_eq_nocase(word, STR("REFERENCES")) ? IMAP_THREAD_REFERENCES
						      : IMAP_THREAD_ORDEREDSUBJECT;
	return *how == IMAP_THREAD_REFERENCES || str_eq_nocase(word, STR("ORDEREDSUBJECT")) ||
	       imap_parse_fail(p, "Unknown threading algorithm");
}

bool
imap_cmd_thread(struct imap_session *s, struct imap_parse *p)
{
	struct threading *c = arena_alloc(s->arena, sizeof(*c));

	if (!imap_parse_sp(p) || !algorithm_parse(p, &c->how) || !imap_parse_sp(p) ||
	    !imap_parse_astring(p, &c->search.request.charset) || !imap_parse_sp(p) ||
	    !imap_searching_begin(s, p, &c->search))
		return false;
	if (c->search.request.key == NULL)
		return true;
	c->arena = arena_new(IMAP_ORDER_ARENA_MAX);
	imap_keys_reader_init(&c->reader);
	s->cmd = c;
	s->cleanup = threading_cleanup;
	s->step = threading_step;
	return true;
}
