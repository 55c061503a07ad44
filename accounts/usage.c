/* SPDX-License-Identifier: ISC */
/*
 * Which mailboxes are full. Each says what it holds when it starts, when it reaches or leaves a limit and
 * before it ends; the limits are known here. That one is full is also noted in the store, so that it is
 * known after a restart; whoever is noted then is started once, to say what holds now.
 */
#include <stdlib.h>
#include <time.h>

#include "accounts/service_priv.h"
#include "base/log.h"
#include "base/map.h"

enum {
	/* Notes are written together: a user at his limit who deletes and adds all the time costs a few
	 * transactions a second, like all such users together. Answers that smtpd and queue keep are as
	 * old as this at most. */
	USAGE_NOTE_MS = 200,
};

/* As in mailbox_open (ipc_table.h). */
static uint64_t
limit(uint64_t own, uint64_t fallback)
{
	return own == 0 ? fallback : own == UINT64_MAX ? 0 : own;
}

bool
usage_full(const struct service *s, const struct account *a)
{
	uint64_t bytes = limit(a->quota_bytes, settings_u64(s->settings, SET_mailbox_quota_bytes));
	uint64_t messages =
	    limit(a->quota_messages, settings_u64(s->settings, SET_mailbox_quota_messages));

	return (bytes > 0 && a->holds.bytes >= bytes) ||
	       (messages > 0 && a->holds.messages >= messages);
}

static const struct account *
only_account(const struct service *s, const struct resolved *found)
{
	return found->direct ? directory_by_id(store_directory(s->store), found->accounts[0])
			     : NULL;
}

bool
usage_refuses(const struct service *s, const struct resolved *found)
{
	const struct account *a = only_account(s, found);

	return a != NULL && usage_full(s, a);
}

static uint64_t
now(void)
{
	return (uint64_t)time(NULL);
}

bool
usage_for_good(const struct service *s, const struct resolved *found)
{
	const struct account *a = only_account(s, found);
	uint64_t grace = settings_u64(s->settings, SET_mailbox_quota_grace);

	return a != NULL && usage_full(s, a) && grace > 0 && a->holds.since > 0 &&
	       now() > a->holds.since && now() - a->holds.since >= grace;
}

/* The row about it is as it should be. */
static bool
is_noted(const struct service *s, const struct account *a)
{
	return usage_full(s, a) ? a->noted && a->holds.since > 0 : !a->noted;
}

static void
note_later(struct service *s, const struct account *a)
{
	(void)map_put(s->to_note, a->id, s);
	if (!io_timer_pending(s->note_timer))
		io_timer_set(s->note_timer, USAGE_NOTE_MS);
}

void
usage_changed(struct service *s, const struct account *a)
{
	if (!is_noted(s, a))
		note_later(s, a);
}

void
service_holds(struct service *s, uint32_t account, uint64_t bytes, uint64_t messages)
{
	const struct account *a = directory_by_id(store_directory(s->store), account);
	bool before;

	if (a == NULL)
		return; /* removed meanwhile */
	before = usage_full(s, a);
	store_holds(s->store, account, &(struct record_holds){ bytes, messages, 0 });
	/* Also when it is as noted again: somebody may have asked in between. */
	if (usage_full(s, a) != before || !is_noted(s, a))
		note_later(s, a);
	s->ask(s->ask_arg, SERVICE_LIMIT, 0, account);
}

static size_t
gather(struct service *s, struct store_note *notes)
{
	const struct account *a;
	uint64_t id;
	size_t n = 0, it;

	while (n < STORE_NOTES_MAX && (it = 0, map_next(s->to_note, &it, &id) != NULL)) {
		(void)map_del(s->to_note, id);
		a = directory_by_id(store_directory(s->store), (uint32_t)id);
		if (a == NULL || is_noted(s, a))
			continue;
		notes[n++] = (struct store_note){ a->id, usage_full(s, a), now() };
		log_info(NULL, "event=mailbox-%s account=%u bytes=%llu messages=%llu",
		    notes[n - 1].full ? "full" : "has-room", a->id,
		    (unsigned long long)a->holds.bytes, (unsigned long long)a->holds.messages);
	}
	return n;
}

void
usage_note(void *arg)
{
	usage_announce(arg);
	usage_flush(arg);
}

void
usage_flush(struct service *s)
{
	struct store_note notes[STORE_NOTES_MAX];
	struct buf say;
	size_t n;

	buf_init(&say, 256);
	while ((n = gather(s, notes)) > 0 && store_note_full(s->store, notes, n, &say) == IPC_OK)
		;
	if (n > 0)
		log_warn(NULL, "event=full-not-noted accounts=%zu reason=\"%.*s\"", n,
		    (int)buf_len(&say), (const char *)buf_data(&say));
	buf_free(&say);
}

void
usage_announce(struct service *s)
{
	s->announced = store_changes(s->store) - 1;
}

/* Too many: the rest says it when it is opened. */
static int
wake(void *arg, struct str key, struct str value)
{
	struct service *s = arg;
	uint32_t id;

	(void)value;
	if (!record_id(key, &id))
		return 0;
	return service_request(s, PENDING_WAKE, SERVICE_COMMAND, id, NULL, 0) == NULL;
}

void
usage_begin(struct service *s)
{
	(void)store_rows(s->store, '|', wake, s);
}
