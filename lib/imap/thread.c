/* SPDX-License-Identifier: ISC */
#include "imap/thread.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum { THREAD_TURN = 50000 }; /* references, or steps upwards in a tree */

void
imap_thread_begin(struct imap_thread *t, enum imap_thread_algorithm how,
    const struct imap_thread_message *m, size_t n)
{
	*t = (struct imap_thread){ .how = how, .m = m, .n = n, .nodes = n, .cap = n + 64 };
	t->node = xmalloc(t->cap * sizeof(t->node[0]));
	memset(t->node, 0xff, n * sizeof(t->node[0]));
	t->id = xcalloc(t->cap, sizeof(t->id[0]));
	t->top = t->top_last = t->put = IMAP_THREAD_NONE;
	t->entering = true;
	t->step = how == IMAP_THREAD_REFERENCES ? IMAP_THREAD_IDS : IMAP_THREAD_SORT;
}

void
imap_thread_free(struct imap_thread *t)
{
	free(t->node);
	free(t->id);
	free(t->ids.slot);
	imap_order_free(&t->order);
	*t = (struct imap_thread){ 0 };
}

static uint32_t
node_new(struct imap_thread *t, const struct str *id)
{
	if (t->nodes == t->cap) {
		t->cap *= 2;
		t->node = xrealloc(t->node, t->cap * sizeof(t->node[0]));
		t->id = xrealloc(t->id, t->cap * sizeof(t->id[0]));
	}
	memset(&t->node[t->nodes], 0xff, sizeof(t->node[0]));
	t->id[t->nodes] = id;
	return (uint32_t)t->nodes++;
}

static bool
is_dummy(const struct imap_thread *t, uint32_t i)
{
	return i >= t->n;
}

/* ---- tables -----------------------------------------------------------------------------------
 */
/* The table's address, which differs from process to process, goes in: so nobody can choose texts
 * that meet in one place. */
static uint64_t
hash(const struct imap_thread_table *table, struct str s)
{
	uint64_t h = (uint64_t)(uintptr_t)table * 0x9e3779b97f4a7c15u ^ s.n, w;

	for (size_t i = 0; i < s.n; i += sizeof(w)) {
		w = 0;
		memcpy(&w, s.p + i, s.n - i < sizeof(w) ? s.n - i : sizeof(w));
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	h *= 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 29;
}

typedef struct str (*text_of)(const struct imap_thread *t, uint32_t node);

static uint32_t *
table_find(
    const struct imap_thread *t, const struct imap_thread_table *table, text_of text, struct str s)
{
	size_t i = (size_t)hash(table, s) & (table->size - 1);

	while (table->slot[i] != IMAP_THREAD_NONE && !str_eq(text(t, table->slot[i]), s))
		i = (i + 1) & (table->size - 1);
	return &table->slot[i];
}

/* Room for one more; a pointer into the table is not valid after this. */
static void
table_room(const struct imap_thread *t, struct imap_thread_table *table, text_of text)
{
	uint32_t *was = table->slot;
	size_t n = table->size;

	if (++table->used * 2 <= table->size)
		return;
	table->size = n ? 2 * n : 64;
	table->slot = xmalloc(table->size * sizeof(table->slot[0]));
	memset(table->slot, 0xff, table->size * sizeof(table->slot[0]));
	for (size_t i = 0; i < n; i++)
		if (was[i] != IMAP_THREAD_NONE)
			*table_find(t, table, text, text(t, was[i])) = was[i];
	free(was);
}

static struct str
id_text(const struct imap_thread *t, uint32_t i)
{
	return is_dummy(t, i) ? *t->id[i] : t->m[i].id;
}

/* Of a message that is not there: its first reply's (rfc5256:3, step 5.B). */
static struct str
subject_text(const struct imap_thread *t, uint32_t i)
{
	return t->m[is_dummy(t, i) ? t->node[i].child : i].subject;
}

/* ---- step 1: references -----------------------------------------------------------------------
 */
/* The first message with an id has it, others have none. */
static void
ids_fill(struct imap_thread *t)
{
	uint32_t *slot;

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->m[i].id.n == 0)
			continue;
		table_room(t, &t->ids, id_text);
		slot = table_find(t, &t->ids, id_text, t->m[i].id);
		if (*slot == IMAP_THREAD_NONE)
			*slot = i;
	}
}

static uint32_t
referred(struct imap_thread *t, const struct str *id)
{
	uint32_t *slot;

	table_room(t, &t->ids, id_text);
	slot = table_find(t, &t->ids, id_text, *id);
	if (*slot == IMAP_THREAD_NONE)
		*slot = node_new(t, id);
	else
		t->ids.used--;
	return *slot;
}

/* While references are followed, node.child of a parent is any number but NONE once it had a child:
 * a node that never had one is nobody's ancestor. */
static bool
is_above(const struct imap_thread *t, uint32_t above, uint32_t i, size_t *cost)
{
	if (above == i)
		return true;
	if (t->node[above].child == IMAP_THREAD_NONE)
		return false;
	for (i = t->node[i].parent; i != IMAP_THREAD_NONE; i = t->node[i].parent) {
		++*cost;
		if (i == above)
			return true;
	}
	return false;
}

static void
link_to(struct imap_thread *t, uint32_t parent, uint32_t child, size_t *cost)
{
	if (is_above(t, child, parent, cost))
		return;
	t->node[child].parent = parent;
	t->node[parent].child = child;
}

/* What one message says: its references are a chain, the last one is its parent. */
static size_t
message_link(struct imap_thread *t, uint32_t i)
{
	const struct imap_thread_message *m = &t->m[i];
	uint32_t before = IMAP_THREAD_NONE;
	size_t cost = 1 + m->nrefs;

	for (size_t k = 0; k < m->nrefs; k++) {
		uint32_t r = referred(t, &m->refs[k]);

		if (before != IMAP_THREAD_NONE && t->node[r].parent == IMAP_THREAD_NONE)
			link_to(t, before, r, &cost);
		before = r;
	}
	t->node[i].parent = IMAP_THREAD_NONE;
	if (before != IMAP_THREAD_NONE)
		link_to(t, before, i, &cost);
	return cost;
}

static bool
messages_link(struct imap_thread *t)
{
	for (size_t cost = 0; t->at < t->n && cost < THREAD_TURN;)
		cost += message_link(t, (uint32_t)t->at++);
	return t->at == t->n;
}

/* ---- steps 2 and 3: messages that are not there -------------------------------------------------
 */
/*
 * Each message becomes the child of the nearest one above it that is there; what would have none
 * hangs below the topmost dummy, which only stays with two children or more.
 * node.last: for a dummy below others what its children hang from, once that is known.
 */
static uint32_t
stands_for(struct imap_thread *t, uint32_t i)
{
	uint32_t from = i, to, next;

	while (is_dummy(t, i) && t->node[i].parent != IMAP_THREAD_NONE &&
	       t->node[i].last == IMAP_THREAD_NONE)
		i = t->node[i].parent;
	to = is_dummy(t, i) && t->node[i].last != IMAP_THREAD_NONE ? t->node[i].last : i;
	for (; from != i; from = next) {
		next = t->node[from].parent;
		t->node[from].last = to;
	}
	return to;
}

static void
prune(struct imap_thread *t)
{
	uint32_t *count = xcalloc(t->nodes + 1, sizeof(count[0]));

	/* dummies' parents stay as they are until all is known */
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t p = t->node[i].parent;

		if (p == IMAP_THREAD_NONE)
			continue;
		t->node[i].parent = stands_for(t, p);
		count[t->node[i].parent]++;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t p = t->node[i].parent;

		if (p != IMAP_THREAD_NONE && is_dummy(t, p) && count[p] == 1)
			t->node[i].parent = IMAP_THREAD_NONE;
	}
	for (size_t i = t->n; i < t->nodes; i++)
		t->node[i].parent = IMAP_THREAD_NONE;
	free(count);
}

/* ---- lists in the order of dates (steps 4 and 6) ------------------------------------------------
 */
static int
by_date(const void *arg, uint32_t a, uint32_t b)
{
	const struct imap_thread *t = arg;

	return (t->m[a].date > t->m[b].date) - (t->m[a].date < t->m[b].date);
}

static void
append(struct imap_thread *t, uint32_t *first, uint32_t *last, uint32_t i)
{
	if (*first == IMAP_THREAD_NONE)
		*first = i;
	else
		t->node[*last].next = i;
	*last = i;
}

/* From the parents alone; a dummy stands where its first child stood. */
static void
build(struct imap_thread *t)
{
	t->top = t->top_last = IMAP_THREAD_NONE;
	for (size_t i = 0; i < t->nodes; i++)
		t->node[i].child = t->node[i].last = t->node[i].next = IMAP_THREAD_NONE;
	for (size_t k = 0; k < t->n; k++) {
		uint32_t i = t->order.at[k], p = t->node[i].parent;

		if (p == IMAP_THREAD_NONE) {
			append(t, &t->top, &t->top_last, i);
			continue;
		}
		if (is_dummy(t, p) && t->node[p].child == IMAP_THREAD_NONE)
			append(t, &t->top, &t->top_last, p);
		append(t, &t->node[p].child, &t->node[p].last, i);
	}
}

/* ---- step 5: threads with the same subject ------------------------------------------------------
 */
static bool
is_reply(const struct imap_thread *t, uint32_t i)
{
	return !is_dummy(t, i) && t->m[i].reply;
}

/* 5.B: who stands for a subject. */
static void
subjects_fill(struct imap_thread *t, struct imap_thread_table *table)
{
	for (uint32_t i = t->top; i != IMAP_THREAD_NONE; i = t->node[i].next) {
		struct str s = subject_text(t, i);
		uint32_t *slot;

		if (s.n == 0)
			continue;
		table_room(t, table, subject_text);
		slot = table_find(t, table, subject_text, s);
		if (*slot == IMAP_THREAD_NONE ||
		    (!is_dummy(t, *slot) &&
			(is_dummy(t, i) || (is_reply(t, *slot) && !is_reply(t, i)))))
			*slot = i;
	}
}

/* 5.C: i joins the one in the slot. */
static void
thread_join(struct imap_thread *t, uint32_t i, uint32_t *slot)
{
	uint32_t to = *slot;

	if (is_dummy(t, to) && is_dummy(t, i)) {
		for (uint32_t k = t->node[i].child; k != IMAP_THREAD_NONE; k = t->node[k].next)
			t->node[k].parent = to;
	} else if (is_dummy(t, to) || (is_reply(t, i) && !is_reply(t, to))) {
		t->node[i].parent = to;
	} else {
		uint32_t d = node_new(t, NULL);

		t->node[i].parent = t->node[to].parent = d;
		t->node[d].child = i;
		*slot = d;
	}
}

static void
subjects_join(struct imap_thread *t)
{
	struct imap_thread_table table = { 0 };

	subjects_fill(t, &table);
	for (uint32_t i = t->top; i != IMAP_THREAD_NONE; i = t->node[i].next) {
		struct str s = subject_text(t, i);
		uint32_t *slot;

		if (s.n == 0 || t->node[i].parent != IMAP_THREAD_NONE)
			continue;
		slot = table_find(t, &table, subject_text, s);
		if (*slot != i)
			thread_join(t, i, slot);
	}
	free(table.slot);
}

/* ---- ORDEREDSUBJECT ---------------------------------------------------------------------------
 */
/* The first message with a subject is the parent of all others. */
static void
subjects_group(struct imap_thread *t)
{
	struct imap_thread_table table = { 0 };

	for (size_t k = 0; k < t->n; k++) {
		uint32_t i = t->order.at[k], *slot;

		table_room(t, &table, subject_text);
		slot = table_find(t, &table, subject_text, t->m[i].subject);
		if (*slot == IMAP_THREAD_NONE)
			*slot = i;
		else
			t->node[i].parent = *slot;
	}
	free(table.slot);
}

/* ---- the steps --------------------------------------------------------------------------------
 */
static void
finish(struct imap_thread *t)
{
	if (t->how == IMAP_THREAD_ORDEREDSUBJECT) {
		subjects_group(t);
	} else {
		prune(t);
		build(t);
		subjects_join(t);
	}
	build(t);
	t->put = t->top;
	t->step = IMAP_THREAD_BUILT;
}

bool
imap_thread_step(struct imap_thread *t)
{
	switch (t->step) {
	case IMAP_THREAD_IDS:
		ids_fill(t);
		t->step = IMAP_THREAD_LINK;
		return false;
	case IMAP_THREAD_LINK:
		if (messages_link(t))
			t->step = IMAP_THREAD_SORT;
		return false;
	case IMAP_THREAD_SORT:
		if (t->order.at == NULL)
			imap_order_begin(&t->order, t->n, by_date, t);
		if (imap_order_pass(&t->order))
			finish(t);
		return false;
	case IMAP_THREAD_BUILT:
		break;
	}
	return true;
}

/* ---- writing ----------------------------------------------------------------------------------
 */
/* Has this one parentheses of its own? An only child has not. */
static bool
is_list(const struct imap_thread *t, uint32_t i)
{
	uint32_t p = t->node[i].parent;

	return p == IMAP_THREAD_NONE || t->node[p].child != t->node[p].last;
}

static int
enter(struct imap_thread *t, struct buf *out, uint32_t (*number)(void *arg, uint32_t i), void *arg)
{
	const struct imap_thread_node *n = &t->node[t->put];
	int r = buf_putc(out, is_list(t, t->put) ? '(' : ' ');

	if (!is_dummy(t, t->put)) {
		r |= buf_printf(out, "%u", number(arg, t->put));
		if (n->child != n->last)
			r |= buf_putc(out, ' ');
	}
	if (n->child != IMAP_THREAD_NONE)
		t->put = n->child;
	else
		t->entering = false;
	return r;
}

static int
leave(struct imap_thread *t, struct buf *out)
{
	const struct imap_thread_node *n = &t->node[t->put];
	int r = is_list(t, t->put) ? buf_putc(out, ')') : 0;

	t->entering = n->next != IMAP_THREAD_NONE;
	t->put = t->entering ? n->next : n->parent;
	return r;
}

bool
imap_thread_put(struct imap_thread *t, struct buf *out, size_t low,
    uint32_t (*number)(void *arg, uint32_t i), void *arg)
{
	int r = 0;

	while (r == 0 && out->len < low && t->put != IMAP_THREAD_NONE)
		r = t->entering ? enter(t, out, number, arg) : leave(t, out);
	return t->put == IMAP_THREAD_NONE;
}
