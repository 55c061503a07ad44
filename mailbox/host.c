/* SPDX-License-Identifier: ISC */
#include "mailbox/host.h"

#include <malloc.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ipc/ipc.h"
#include "mailbox/host_priv.h"

uint64_t
host_now_ms(void *arg)
{
	struct timespec ts;

	(void)arg;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool
nothing_attached(const struct host *h)
{
	return TAILQ_EMPTY(&h->sessions) && TAILQ_EMPTY(&h->commands) && !delivers_busy(h);
}

void
host_busy(struct host *h)
{
	if (!io_timer_pending(h->tidy_timer))
		io_timer_set(h->tidy_timer, HOST_TIDY_MS);
	io_timer_set(h->rest_timer, HOST_REST_MS);
	io_timer_set(h->idle_timer, h->config.idle_exit_ms);
	h->busy_at = io_now_ms(h->config.loop);
}

/* --- what it holds -----------------------------------------------------------------------------
 */

static void
tell_usage(struct host *h, bool exactly)
{
	struct imap_quota q;
	bool full = backend_full(h->backend, &q);

	if (h->config.on_usage == NULL ||
	    (h->usage.said && full == h->usage.full &&
		(!exactly || (q.bytes == h->usage.bytes && q.messages == h->usage.messages))))
		return;
	h->usage.said = true;
	h->usage.full = full;
	h->usage.bytes = q.bytes;
	h->usage.messages = q.messages;
	h->config.on_usage(h->config.arg, q.bytes, q.messages);
}

void
host_limits(struct host *h, uint64_t bytes, uint64_t messages)
{
	/* What was said with other limits in mind tells nothing of these. */
	if (backend_set_quota(h->backend, bytes, messages))
		h->usage.said = false;
}

/* --- the end of a turn -------------------------------------------------------------------------
 */

static void
stopped(struct host *h)
{
	if (h->stopping && TAILQ_EMPTY(&h->sessions) && !io_timer_pending(h->stop_timer))
		io_timer_set(h->stop_timer, HOST_STOP_MS);
}

/*
 * Runs, commits, then tells: in this order, so that nobody hears of what is not safe. The streams write after
 * this, and the loop comes back in the same turn when they have: what nobody waits for is done then.
 */
static void
after_turn(void *arg)
{
	struct host *h = arg;
	bool sent = false;

	/* Closed in this turn. */
	if (h->store == NULL)
		return;
	for (int i = 0; i < HOST_ROUNDS; i++) {
		bool ran = sessions_run(h);

		if (store_turn(h->store) != 0) {
			h->config.on_failed(h->config.arg);
			return;
		}
		search_index_stable(h->index);
		if (ran)
			sent |= sessions_send(h);
		if (TAILQ_EMPTY(&h->runnable))
			break;
	}
	tell_usage(h, false);
	ipc_flush_all();
	if (!sent)
		store_turn_late(h->store);
	sessions_again(h);
	if (!TAILQ_EMPTY(&h->runnable))
		io_timer_set(h->again_timer, 0);
	if (store_unsynced(h->store) && !io_timer_pending(h->sync_timer))
		io_timer_set(h->sync_timer, HOST_SYNC_MS);
	stopped(h);
}

/* The turn that follows does the work. */
static void
on_again(void *arg)
{
	(void)arg;
}

static void
on_sync(void *arg)
{
	struct host *h = arg;

	if (store_sync(h->store) != 0)
		h->config.on_failed(h->config.arg);
}

static bool
index_waits(struct host *h)
{
	uint64_t now = io_now_ms(h->config.loop);

	if (now - h->busy_at >= HOST_INDEX_PAUSE_MS)
		return false;
	if (h->index_since == 0)
		h->index_since = now;
	return now - h->index_since < HOST_INDEX_WAIT_MS;
}

static void
on_tidy(void *arg)
{
	struct host *h = arg;

	if (store_tidy(h->store))
		io_timer_set(h->tidy_timer, HOST_TIDY_NEXT_MS);
	else if (store_failed(h->store))
		h->config.on_failed(h->config.arg);
	else if (index_waits(h))
		io_timer_set(h->tidy_timer, HOST_INDEX_PAUSE_MS);
	else if (search_index_work(h->index))
		io_timer_set(h->tidy_timer, HOST_INDEX_NEXT_MS);
	else {
		h->index_since = 0;
		malloc_trim(0);
	}
}

static void
on_rest(void *arg)
{
	struct host *h = arg;

	if (h->store == NULL)
		return;
	if (io_timer_pending(h->tidy_timer)) {
		io_timer_set(h->rest_timer, HOST_REST_MS);
		return;
	}
	store_rest(h->store);
	malloc_trim(0);
}

static void
on_idle(void *arg)
{
	struct host *h = arg;

	io_timer_set(h->idle_timer, h->config.idle_exit_ms);
	if (!nothing_attached(h) || h->stopping)
		return;
	tell_usage(h, true);
	h->config.on_idle(h->config.arg, h->attached);
}

static void
on_stop_timer(void *arg)
{
	struct host *h = arg;

	sessions_free(h);
	commands_free(h);
	delivers_free(h);
	search_index_free(&h->index);
	store_close(&h->store);
	h->config.on_stopped(h->config.arg);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void
on_folder_gone(void *arg, struct folder *f)
{
	struct host *h = arg;

	backend_folder_gone(h->backend, f);
}

static void
on_report(void *arg, const char *line)
{
	(void)arg;
	log_warn(NULL, "event=store %s", line);
}

static void
on_note(void *arg, const char *line)
{
	(void)arg;
	log_info(NULL, "event=store %s", line);
}

static int
open_store(struct host *h)
{
	const struct store_config config = { .dirfd = h->config.dirfd,
		.min_free = h->config.min_free,
		.compress = h->config.compress,
		.index = h->config.index,
		.now_ms = host_now_ms,
		.folder_gone = on_folder_gone,
		.report = on_report,
		.note = on_note,
		.arg = h };

	return store_open(&config, &h->store);
}

static void
open_index(struct host *h)
{
	const struct search_index_config config = {
		.store = h->store, .dirfd = h->config.dirfd, .report = on_report, .arg = h
	};

	h->index = search_index_new(&config);
	backend_set_index(h->backend, h->index);
}

int
host_new(const struct host_config *config, struct host **out)
{
	struct host *h = xcalloc(1, sizeof(*h));
	struct io_loop *loop = config->loop;
	int e;

	*out = NULL;
	h->config = *config;
	TAILQ_INIT(&h->sessions);
	TAILQ_INIT(&h->runnable);
	TAILQ_INIT(&h->delivers);
	TAILQ_INIT(&h->commands);
	h->backend = backend_new(host_now_ms, NULL);
	if ((e = open_store(h)) != 0) {
		backend_free(&h->backend);
		free(h);
		return e;
	}
	backend_set_store(h->backend, h->store);
	open_index(h);
	backend_set_message_max(h->backend, config->message_max);
	backend_set_quota_default(h->backend, config->quota_bytes, config->quota_messages);
	h->sync_timer = io_timer_new(loop, on_sync, h);
	h->tidy_timer = io_timer_new(loop, on_tidy, h);
	h->rest_timer = io_timer_new(loop, on_rest, h);
	h->idle_timer = io_timer_new(loop, on_idle, h);
	h->again_timer = io_timer_new(loop, on_again, h);
	h->stop_timer = io_timer_new(loop, on_stop_timer, h);
	io_loop_after_turn(loop, after_turn, h);
	host_busy(h);
	*out = h;
	return 0;
}

void
host_free(struct host **hp)
{
	struct host *h = *hp;

	if (h == NULL)
		return;
	*hp = NULL;
	io_loop_after_turn_remove(h->config.loop, h);
	if (h->store != NULL) {
		sessions_free(h);
		commands_free(h);
		delivers_free(h);
		search_index_free(&h->index);
		store_close(&h->store);
	}
	backend_free(&h->backend);
	io_timer_free(&h->sync_timer);
	io_timer_free(&h->tidy_timer);
	io_timer_free(&h->rest_timer);
	io_timer_free(&h->idle_timer);
	io_timer_free(&h->again_timer);
	io_timer_free(&h->stop_timer);
	free(h);
}

void
host_settings(struct host *h, const struct host_config *config)
{
	h->config.message_max = config->message_max;
	h->config.idle_exit_ms = config->idle_exit_ms;
	h->config.idle_limit_ms = config->idle_limit_ms;
	h->config.max_sessions = config->max_sessions;
	backend_set_message_max(h->backend, config->message_max);
	backend_set_quota_default(h->backend, config->quota_bytes, config->quota_messages);
	h->usage.said = false;
	h->config.min_free = config->min_free;
	store_set_min_free(h->store, config->min_free);
	store_set_compress(h->store, config->compress);
}

void
host_attach(struct host *h, uint8_t purpose, int fd)
{
	if (h->stopping) {
		close(fd);
		return;
	}
	h->attached++;
	host_busy(h);
	if (purpose == IPC_MAILBOX_DELIVER)
		deliver_attach(h, fd);
	else if (purpose == IPC_MAILBOX_COMMAND)
		command_attach(h, fd);
	else
		session_attach(h, fd);
}

/* Whole messages are kept, sessions are told; the rest is cut off by on_stop_timer. */
void
host_stop(struct host *h)
{
	if (h->stopping)
		return;
	h->stopping = true;
	delivers_commit(h);
	sessions_stop(h);
	io_timer_set(h->stop_timer, HOST_STOP_MS);
}

struct store *
host_store(struct host *h)
{
	return h->store;
}
