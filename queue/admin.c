/* SPDX-License-Identifier: ISC */
/*
 * postern queue ...: a request is a job that walks over the messages, oldest first, some
 * milliseconds at a time: acceptance goes on meanwhile. It keeps the number of the message it was at,
 * no list: a million messages cost nothing here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "command/command.h"
#include "queue/admin_priv.h"

enum {
	/* One turn of a job: each turn of the loop looks at what else has come before it goes on. */
	SLICE_US = 1000,
	/* When all jobs wait for their channels or for redirections. */
	PAUSE_MS = 2,
	JOBS_MAX = 16,
	/* Redirections on their way to the disk at one time, of one job. */
	REDIRECTS_MAX = 20,
};

/* A message that is being redirected. */
struct redirect {
	LIST_ENTRY(redirect) link;
	struct job *job;
	uint64_t number;
};

struct job {
	TAILQ_ENTRY(job) link;
	struct admin_door *door;
	const struct action *action;
	uint64_t id; /* of the request */
	struct filter filter;
	uint64_t ids[COMMAND_ARGS_MAX];
	size_t id_count, id_at;
	uint64_t at;    /* number of the last message that was looked at; 0: none */
	uint64_t until; /* newer ones are not looked at: a redirected message is new */
	uint64_t limit, done, missing, failed;
	char address[ADDRESS_TEXT_SIZE]; /* to redirect to */
	LIST_HEAD(, redirect) redirects;
	unsigned redirecting;
};

struct action {
	enum command_id verb;
	bool all; /* without id and filter it is about all messages */
	/* false: this message is not concerned. */
	bool (*apply)(struct job *j, struct message *m);
	const char *done; /* "%llu messages ..." */
};

struct admin_door {
	TAILQ_ENTRY(admin_door) link;
	struct admin *admin;
	struct ipc_channel *ch;
};

struct admin {
	struct queue *queue;
	TAILQ_HEAD(, admin_door) doors;
	TAILQ_HEAD(, job) jobs;
	unsigned job_count;
	struct io_timer *timer;
};

static struct queue *
queue_of(const struct job *j)
{
	return j->door->admin->queue;
}

/* --- what can be done with a message ----------------------------------------------------------- */
/* control logged who asked, with the same number of the request. */
static void
log_action(const struct job *j, const struct message *m)
{
	char id[QUEUE_ID_SIZE];

	log_info(queue_id_print(id, m->number), "event=admin request=%llu action=\"%s\"",
	    (unsigned long long)j->id, command_get(j->action->verb)->words);
}

static bool
apply_list(struct job *j, struct message *m)
{
	admin_list_row(queue_of(j), j->door->ch, j->id, m);
	return true;
}

static bool
apply_hold(struct job *j, struct message *m)
{
	if (m->pending == 0 || (m->flags & MESSAGE_HELD))
		return false;
	log_action(j, m);
	queue_hold(queue_of(j), m);
	return true;
}

static bool
apply_release(struct job *j, struct message *m)
{
	if ((m->flags & MESSAGE_HELD) == 0)
		return false;
	log_action(j, m);
	queue_release(queue_of(j), m);
	return true;
}

static bool
apply_retry(struct job *j, struct message *m)
{
	if (m->pending == 0 || (m->flags & MESSAGE_HELD))
		return false;
	log_action(j, m);
	queue_retry(queue_of(j), m);
	return true;
}

static bool
apply_remove(struct job *j, struct message *m)
{
	if (m->removed)
		return false;
	log_action(j, m);
	queue_remove(queue_of(j), m);
	return true;
}

static void
redirect_free(struct redirect *r)
{
	LIST_REMOVE(r, link);
	r->job->redirecting--;
	free(r);
}

static void
on_redirected(void *arg, enum ipc_result result, const char *new_id)
{
	struct redirect *r = arg;
	struct job *j = r->job;
	char id[QUEUE_ID_SIZE];

	if (result == IPC_OK) {
		j->done++;
		command_row(j->door->ch, j->id, 2,
		    (const char *const[]){ queue_id_print(id, r->number), new_id });
	} else {
		j->failed++;
	}
	redirect_free(r);
	io_timer_set(j->door->admin->timer, 0);
}

/* Counted when the answer is there. */
static bool
apply_redirect(struct job *j, struct message *m)
{
	struct redirect *r;

	if (m->pending == 0)
		return false;
	log_action(j, m);
	r = xcalloc(1, sizeof(*r));
	r->job = j;
	r->number = m->number;
	LIST_INSERT_HEAD(&j->redirects, r, link);
	j->redirecting++;
	queue_redirect(queue_of(j), m->number, str_of(j->address), on_redirected, r);
	return false;
}

static const struct action actions[] = {
	{ CMD_queue_list, true, apply_list, NULL },
	{ CMD_queue_hold, false, apply_hold, "held" },
	{ CMD_queue_release, false, apply_release, "released" },
	{ CMD_queue_retry, false, apply_retry, "to be tried now" },
	{ CMD_queue_redirect, false, apply_redirect, "redirected" },
	{ CMD_queue_remove, false, apply_remove, "removed" },
};

/* --- the walk ---------------------------------------------------------------------------------- */
/* The one behind job->at, which may have left: then the first that is newer. */
static struct message *
next_by_age(struct job *j)
{
	struct spool *s = queue_of(j)->spool;
	struct message *m = j->at != 0 ? spool_find(s, j->at) : NULL;

	if (m != NULL) {
		m = TAILQ_NEXT(m, age_link);
	} else {
		m = TAILQ_FIRST(spool_by_age(s));
		while (m != NULL && m->number <= j->at)
			m = TAILQ_NEXT(m, age_link);
	}
	if (m == NULL || m->number > j->until)
		return NULL;
	j->at = m->number;
	return m;
}

static struct message *
next_message(struct job *j)
{
	struct message *m = NULL;

	if (j->id_count == 0)
		return next_by_age(j);
	while (m == NULL && j->id_at < j->id_count) {
		m = spool_find(queue_of(j)->spool, j->ids[j->id_at++]);
		j->missing += m == NULL;
	}
	return m;
}

/* Is the delivery still to be made? Of a message that has no such any more: to be reported. */
static bool
delivery_open(void *arg, uint32_t delivery)
{
	const struct message *m = arg;
	const struct delivery *d = &m->delivery[delivery];

	return d->state == DELIVERY_PENDING || (m->pending == 0 && d->state != DELIVERY_DONE);
}

static bool
concerned(struct job *j, struct message *m)
{
	struct journal_record r;
	struct envelope e;

	if (!filter_fits(&j->filter, m->arrival_ms, admin_state(queue_of(j), m)))
		return false;
	if (!filter_needs_envelope(&j->filter))
		return true;
	return spool_read(queue_of(j)->spool, m, &e, &r, NULL) == 0 &&
	       filter_fits_envelope(&j->filter, &e, delivery_open, m);
}

static uint64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
job_free(struct job *j)
{
	struct admin *a = j->door->admin;
	struct redirect *r;

	while ((r = LIST_FIRST(&j->redirects)) != NULL) {
		queue_redirect_forget(a->queue, r);
		redirect_free(r);
	}
	TAILQ_REMOVE(&a->jobs, j, link);
	a->job_count--;
	free(j);
}

/* How it went, in one sentence. */
static void
job_end(struct job *j)
{
	char more[160] = "";

	if (j->failed > 0)
		snprintf(more, sizeof(more), " %llu could not be.", (unsigned long long)j->failed);
	else if (j->missing > 0)
		snprintf(
		    more, sizeof(more), " %llu not in the queue.", (unsigned long long)j->missing);
	if (j->id_count > 0 && j->missing == j->id_count)
		command_end(j->door->ch, j->id, IPC_NO, "There is no such message in the queue.");
	else if (j->action->done == NULL)
		command_end(j->door->ch, j->id, IPC_OK, "%s", more + (more[0] == ' '));
	else
		command_end(j->door->ch, j->id, j->failed > 0 ? IPC_NO : IPC_OK,
		    "%llu message%s %s.%s", (unsigned long long)j->done, j->done == 1 ? "" : "s",
		    j->action->done, more);
	job_free(j);
}

/* false: it waits for something. */
static bool
job_go_on(struct job *j)
{
	uint64_t end = clock_us() + SLICE_US;
	struct message *m;

	do {
		if (ipc_channel_pending(j->door->ch) > IPC_OUT_LOW ||
		    j->redirecting >= REDIRECTS_MAX)
			return false;
		m = j->done < j->limit ? next_message(j) : NULL;
		if (m != NULL && concerned(j, m))
			j->done += j->action->apply(j, m);
	} while (m != NULL && clock_us() < end);
	queue_busy(queue_of(j));
	if (m == NULL && j->redirecting == 0)
		job_end(j);
	return m != NULL;
}

static void
on_timer(void *arg)
{
	struct admin *a = arg;
	struct job *j, *next;
	bool busy = false;

	for (j = TAILQ_FIRST(&a->jobs); j; j = next) {
		next = TAILQ_NEXT(j, link);
		busy = job_go_on(j) || busy;
	}
	if (!TAILQ_EMPTY(&a->jobs))
		io_timer_set(a->timer, busy ? 0 : PAUSE_MS);
}

/* --- requests ---------------------------------------------------------------------------------- */
/* The arguments behind the first `skip` are ids. */
static int
read_ids(struct job *j, const struct command_line *line, int skip, char error[160])
{
	for (int i = skip; i < line->argc; i++) {
		if (!queue_id_parse(str_of(line->args[i]), &j->ids[j->id_count++])) {
			snprintf(error, 160, "There is no such message in the queue.");
			return -1;
		}
	}
	return 0;
}

/* The address to redirect to, in normal form. */
static int
read_address(struct job *j, const char *text, char error[160])
{
	struct address a;

	if (address_parse_mailbox(str_of(text), ADDRESS_UTF8, &a) == 1 &&
	    address_print(&a, j->address, sizeof(j->address)) > 0)
		return 0;
	snprintf(error, 160, "This is not an address.");
	return -1;
}

static int
read_page(struct job *j, const struct command_line *line, char error[160])
{
	const char *limit = line->option[OPTION_limit], *after = line->option[OPTION_after];

	j->limit = j->action->all ? COMMAND_PAGE : UINT64_MAX;
	if ((limit && (!str_u64(str_of(limit), COMMAND_PAGE, &j->limit) || j->limit == 0)) ||
	    (after && !queue_id_parse(str_of(after), &j->at))) {
		snprintf(error, 160, "--limit takes 1 to %d, --after the id of a message.",
		    COMMAND_PAGE);
		return -1;
	}
	return 0;
}

static int
job_read(struct job *j, const struct command_line *line, char error[160])
{
	bool redirect = j->action->verb == CMD_queue_redirect;
	struct message *newest = TAILQ_LAST(spool_by_age(queue_of(j)->spool), message_age);

	j->until = newest ? newest->number : 0;
	if ((redirect && read_address(j, line->args[0], error) < 0) ||
	    read_ids(j, line, redirect, error) < 0 || read_page(j, line, error) < 0 ||
	    filter_parse(line, queue_now(queue_of(j)), &j->filter, error) < 0)
		return -1;
	if (j->id_count == 0 && !j->filter.given && !j->action->all) {
		snprintf(error, 160, "Say which messages: by id, by a filter, or --all.");
		return -1;
	}
	return 0;
}

static void
job_start(
    struct admin_door *d, uint64_t id, const struct action *action, const struct command_line *line)
{
	struct admin *a = d->admin;
	char error[160];
	struct job *j;

	if (a->job_count == JOBS_MAX) {
		command_end(d->ch, id, IPC_TEMP, "Too many commands at once.");
		return;
	}
	j = xcalloc(1, sizeof(*j));
	j->door = d;
	j->id = id;
	j->action = action;
	LIST_INIT(&j->redirects);
	TAILQ_INSERT_TAIL(&a->jobs, j, link);
	a->job_count++;
	if (job_read(j, line, error) < 0) {
		command_end(d->ch, id, IPC_NO, "%s", error);
		job_free(j);
		return;
	}
	io_timer_set(a->timer, 0);
}

static void
show(struct admin_door *d, uint64_t id, const char *text)
{
	struct queue *q = d->admin->queue;
	const struct message *m = NULL;
	uint64_t number;

	if (queue_id_parse(str_of(text), &number))
		m = spool_find(q->spool, number);
	if (m != NULL)
		admin_show(q, d->ch, id, m);
	else
		command_end(d->ch, id, IPC_NO, "There is no such message in the queue.");
}

static const struct action *
action_of(uint32_t verb)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (verb == (uint32_t)actions[i].verb)
			return &actions[i];
	return NULL;
}

static void
on_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd)
{
	const struct action *action = action_of(m->verb);
	struct admin_door *d = arg;
	struct command_line line;

	(void)fd;
	if (command_request(m, &line) < 0)
		command_end(ch, id, IPC_INVALID, "The request makes no sense.");
	else if (action != NULL)
		job_start(d, id, action, &line);
	else if (m->verb == CMD_queue_show)
		show(d, id, line.args[0]);
	else
		command_end(ch, id, IPC_INVALID, "The queue does not know this command.");
}

static void
door_free(struct admin_door *d)
{
	struct admin *a = d->admin;
	struct job *j, *next;

	for (j = TAILQ_FIRST(&a->jobs); j; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->door == d)
			job_free(j);
	}
	TAILQ_REMOVE(&a->doors, d, link);
	ipc_channel_free(&d->ch);
	free(d);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	door_free(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(admin_request, on_request),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

void
admin_peer(struct admin *a, int fd)
{
	struct admin_door *d = xcalloc(1, sizeof(*d));

	d->admin = a;
	d->ch = ipc_channel_new(a->queue->loop, fd, IPC_CH_admin, IPC_SERVER, &ops, d);
	TAILQ_INSERT_TAIL(&a->doors, d, link);
}

struct admin *
admin_new(struct queue *q)
{
	struct admin *a = xcalloc(1, sizeof(*a));

	a->queue = q;
	TAILQ_INIT(&a->doors);
	TAILQ_INIT(&a->jobs);
	a->timer = io_timer_new(q->loop, on_timer, a);
	return a;
}

void
admin_free(struct admin **ap)
{
	struct admin *a = *ap;
	struct admin_door *d;

	if (a == NULL)
		return;
	while ((d = TAILQ_FIRST(&a->doors)) != NULL)
		door_free(d);
	io_timer_free(&a->timer);
	free(a);
	*ap = NULL;
}
