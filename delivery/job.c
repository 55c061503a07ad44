/* SPDX-License-Identifier: ISC */
/* A job: from queue's order by way of addresses and connections to the results. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "delivery/impl.h"
#include "idn/idn.h"

/* --- life ------------------------------------------------------------------------------------ */

static void
credit_leave(struct job *j)
{
	if (j->waits_credit)
		TAILQ_REMOVE(&j->d->credit, j, credit_entry);
	j->waits_credit = false;
}

void
job_free(struct job *j)
{
	struct delivery *d = j->d;
	struct job *waiting;

	lookup_stop(j);
	if (j->conn != NULL)
		conn_free(j->conn);
	credit_leave(j);
	d->in_flight -= (size_t)(j->granted - j->received);
	LIST_REMOVE(j, entry);
	map_del(d->by_id, j->id);
	d->njobs--;
	io_timer_free(&j->timer);
	buf_free(&j->content);
	arena_free(&j->arena);
	free(j->results);
	free(j->route);
	free(j);
	if ((waiting = TAILQ_FIRST(&d->credit)) != NULL)
		job_want(waiting);
	delivery_check_stop(d);
}

bool
job_is_ending(const struct job *j)
{
	const struct conn *c = j->conn;

	return c != NULL && smtp_client_phase(c->engine) == SMTP_CLIENT_DATA_DONE &&
	       buf_len(smtp_client_out(c->engine)) == 0 && io_stream_out_pending(c->stream) == 0;
}

void
job_destination(const struct job *j, char out[256])
{
	snprintf(out, 256, "%s", j->d->o.smarthost.host[0] != '\0' ? "*" : j->domain);
}

/* --- results --------------------------------------------------------------------------------- */

/* What all results of a job have in common. */
struct outcome {
	enum ipc_result destination;
	const char *remote, *tls;
	bool dsn;
};

static enum ipc_result
class_of(const struct smtp_client_result *r)
{
	return r->class == SMTP_CLIENT_OK     ? IPC_OK
	       : r->class == SMTP_CLIENT_PERM ? IPC_NO
					      : IPC_TEMP;
}

/* The server's enhanced code when it has our class, else one that says as much as is known
 * (rfc3463). */
static void
enhanced_of(const struct smtp_client_result *r, char out[SMTP_CLIENT_ENHANCED_MAX])
{
	char digit = r->class == SMTP_CLIENT_OK ? '2' : r->class == SMTP_CLIENT_PERM ? '5' : '4';
	const char *rest = ".0.0";

	if (r->enhanced[0] != '\0') {
		snprintf(out, SMTP_CLIENT_ENHANCED_MAX, "%c%s", digit, r->enhanced + 1);
		return;
	}
	if (r->why == SMTP_CLIENT_WHY_LOST || r->why == SMTP_CLIENT_WHY_TIMEOUT)
		rest = ".4.2";
	else if (r->why == SMTP_CLIENT_WHY_PROTOCOL)
		rest = ".5.0";
	else if (r->why == SMTP_CLIENT_WHY_INJECTION)
		rest = ".7.0";
	else if (r->why == SMTP_CLIENT_WHY_HOST)
		rest = ".3.0";
	snprintf(out, SMTP_CLIENT_ENHANCED_MAX, "%c%s", digit, rest);
}

static void
text_of(const struct smtp_client_result *r, char *out, size_t size)
{
	if (r->why == SMTP_CLIENT_WHY_REPLY || r->why == SMTP_CLIENT_WHY_LOCAL)
		snprintf(out, size, "%s", r->text);
	else
		snprintf(out, size, "%s (%s)", r->text, smtp_client_phase_name(r->phase));
}

static void
send_result(const struct job *j, size_t i, const struct outcome *o)
{
	const struct smtp_client_result *r = &j->results[i];
	char enhanced[SMTP_CLIENT_ENHANCED_MAX], text[SMTP_CLIENT_TEXT_MAX + 32];

	enhanced_of(r, enhanced);
	text_of(r, text, sizeof(text));
	ipc_send_job_result(j->d->queue, j->id,
	    &(struct ipc_job_result){
		.recipient = (uint32_t)i,
		.result = (uint8_t)class_of(r),
		.code = r->code,
		.enhanced = str_of(enhanced),
		.text = str_of(text),
		.remote = str_of(o->remote),
		.dsn = r->class == SMTP_CLIENT_OK && o->dsn,
	    });
}

static void
log_job(const struct job *j, const struct outcome *o)
{
	const struct smtp_client_result *say = &j->results[0];
	size_t count[4] = { 0 };
	char text[SMTP_CLIENT_TEXT_MAX + 32], enhanced[SMTP_CLIENT_ENHANCED_MAX];

	for (size_t i = 0; i < j->nrcpts; i++) {
		count[j->results[i].class]++;
		if (say->class == SMTP_CLIENT_OK && j->results[i].class != SMTP_CLIENT_OK)
			say = &j->results[i]; /* what failed is more worth telling */
	}
	enhanced_of(say, enhanced);
	text_of(say, text, sizeof(text));
	log_info(j->queue_id,
	    "event=transaction domain=%s relay=\"%s\" tls=\"%s\" delivered=%zu deferred=%zu "
	    "refused=%zu code=%u enhanced=%s ms=%llu text=\"%s\"",
	    LOGS(str_of(j->domain)), LOGS(str_of(o->remote)), LOGS(str_of(o->tls)),
	    count[SMTP_CLIENT_OK], count[SMTP_CLIENT_TEMP] + count[SMTP_CLIENT_NOT_YET],
	    count[SMTP_CLIENT_PERM], say->code, enhanced,
	    (unsigned long long)(io_now_ms(j->d->loop) - j->started_ms), LOGS(str_of(text)));
}

/* Tells queue and frees j. */
static void
job_finish(struct job *j, const struct outcome *o)
{
	log_job(j, o);
	if (j->d->queue != NULL) {
		for (size_t i = 0; i < j->nrcpts; i++)
			send_result(j, i, o);
		ipc_send_job_done(j->d->queue, j->id,
		    &(struct ipc_job_done){
			.destination = (uint8_t)o->destination, .tls = str_of(o->tls) });
	}
	job_free(j);
}

/* The same result for all. Frees j. */
static void
job_finish_all(struct job *j, const struct smtp_client_result *r, const char *remote,
    enum ipc_result destination)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		j->results[i] = *r;
	job_finish(j, &(struct outcome){ .destination = destination, .remote = remote, .tls = "" });
}

static void
job_finish_local(struct job *j, enum smtp_client_class class, const char *enhanced,
    const char *text, enum ipc_result destination)
{
	struct smtp_client_result r = { .class = class, .why = SMTP_CLIENT_WHY_LOCAL };

	snprintf(r.enhanced, sizeof(r.enhanced), "%s", enhanced);
	snprintf(r.text, sizeof(r.text), "%s", text);
	job_finish_all(j, &r, "", destination);
}

/* --- one address after the other -------------------------------------------------------------- */

/* Keeps what is told when no address does: the first words of a server rather than a silence; for
 * good only when all that were reached say so. */
static void
note_failure(struct job *j, const struct smtp_client_result *r, const char *remote)
{
	bool told = j->failed && j->failure.why == SMTP_CLIENT_WHY_REPLY;

	j->some_temp = j->some_temp || r->class != SMTP_CLIENT_PERM;
	if (!told || (r->why == SMTP_CLIENT_WHY_REPLY && r->class == SMTP_CLIENT_TEMP)) {
		j->failure = *r;
		snprintf(j->failure_remote, sizeof(j->failure_remote), "%s", remote);
	}
	j->failed = true;
}

static void
give_up(struct job *j)
{
	struct smtp_client_result r = j->failure;
	bool temp = j->some_temp || !j->failed || j->route->incomplete;

	if (!j->failed)
		snprintf(r.text, sizeof(r.text), "no server could be tried");
	r.class = temp ? SMTP_CLIENT_TEMP : SMTP_CLIENT_PERM;
	job_finish_all(j, &r, j->failure_remote, temp ? IPC_TEMP : IPC_OK);
}

static void
host_of(const struct job *j, size_t hop, char out[256])
{
	const struct dns_name *name = &j->route->hosts[j->route->hops[hop].host].name;
	char text[DNS_TEXT_MAX];

	out[0] = '\0';
	if (name->n > 0)
		snprintf(out, 256, "%s", dns_name_text(name, text));
}

static bool
may_try(const struct job *j)
{
	return !j->cancelled && j->hop < j->route->hop_count &&
	       (j->hop == 0 || io_now_ms(j->d->loop) - j->started_ms < DELIVERY_TRY_MS);
}

/* Connects to the next address that is worth it; frees j when there is none. */
static void
job_try(struct job *j)
{
	for (; may_try(j); j->hop++) {
		const struct route_hop *hop = &j->route->hops[j->hop];
		struct smtp_client_result r = {
			.class = SMTP_CLIENT_TEMP, .why = SMTP_CLIENT_WHY_LOCAL, .enhanced = "4.4.1"
		};
		char host[256], remote[JOB_REMOTE_MAX];

		host_of(j, j->hop, host);
		if ((j->conn = conn_open(j, hop, host)) != NULL) {
			j->state = JOB_CONNECTED;
			return;
		}
		snprintf(r.text, sizeof(r.text), "%s", strerror(errno));
		conn_remote(remote, host, &hop->address, j->d->o.port);
		note_failure(j, &r, remote);
	}
	give_up(j);
}

void
job_routed(struct job *j)
{
	const struct route_result *r = j->route;

	if (r->class == ROUTE_OK)
		job_try(j);
	else if (r->class == ROUTE_PERM)
		job_finish_local(j, SMTP_CLIENT_PERM, r->status, r->reason, IPC_OK);
	else
		job_finish_local(j, SMTP_CLIENT_TEMP, r->status, r->reason, IPC_TEMP);
}

void
job_failed(struct job *j, const struct smtp_client_result *r, const char *remote, bool again)
{
	j->conn = NULL;
	if (j->route == NULL && !j->cancelled) { /* a kept connection: says nothing */
		lookup_start(j);
		return;
	}
	if (j->route == NULL)
		j->route = xcalloc(1, sizeof(*j->route));
	if (!again) {
		note_failure(j, r, remote);
		j->hop++;
	}
	job_try(j);
}

/* --- the transaction -------------------------------------------------------------------------- */

/* The results say something about the connection, nothing about the message. */
static bool
connection_failed(const struct job *j)
{
	for (size_t i = 0; i < j->message.nrcpts; i++) {
		const struct smtp_client_result *r = &j->results[i];

		if (r->class != SMTP_CLIENT_TEMP || r->why == SMTP_CLIENT_WHY_LOCAL ||
		    r->why == SMTP_CLIENT_WHY_HOST)
			return false;
		if (r->why == SMTP_CLIENT_WHY_REPLY && r->code != 421 &&
		    r->phase != SMTP_CLIENT_RSET)
			return false;
	}
	return true;
}

static void
take_results(struct job *j, const struct conn *c)
{
	static const struct smtp_client_result too_many = {
		.class = SMTP_CLIENT_TEMP,
		.why = SMTP_CLIENT_WHY_LOCAL,
		.enhanced = "4.5.3",
		.text = "the server takes less recipients at one time",
	};

	for (size_t i = 0; i < j->nrcpts; i++)
		j->results[i] =
		    i < j->message.nrcpts ? *smtp_client_result(c->engine, i) : too_many;
}

static enum ipc_result
destination_of(const struct job *j)
{
	for (size_t i = 0; i < j->message.nrcpts; i++) {
		enum smtp_client_why why = j->results[i].why;

		if (why == SMTP_CLIENT_WHY_REPLY || why == SMTP_CLIENT_WHY_LOCAL ||
		    why == SMTP_CLIENT_WHY_HOST)
			return IPC_OK;
	}
	return IPC_TEMP;
}

void
job_done(struct job *j)
{
	struct conn *c = j->conn;
	struct smtp_client_result first;
	char tls[TLS_DESCRIPTION_MAX];
	struct outcome o = { .remote = c->remote,
		.tls = tls_stream_describe(c->stream, tls),
		.dsn = smtp_client_caps(c->engine)->dsn };
	bool failed;

	take_results(j, c);
	first = j->results[0];
	failed = connection_failed(j) && j->fed == 0 && !j->cancelled;
	c->job = NULL; /* it ends or is kept without this job */
	j->conn = NULL;
	o.destination = connection_failed(j) ? IPC_TEMP : destination_of(j);
	/* A kept connection that failed says nothing: there was no address to choose from yet. */
	if (failed && (j->route == NULL || j->hop + 1 < j->route->hop_count)) {
		job_failed(j, &first, o.remote, false);
	} else {
		job_finish(j, &o);
	}
}

/* --- content ---------------------------------------------------------------------------------- */

void
job_want(struct job *j)
{
	struct delivery *d = j->d;
	uint64_t left = j->message.size - j->granted;
	uint64_t room = DELIVERY_WINDOW - (j->granted - j->fed);
	size_t n = (size_t)(left < room ? left : room);

	if (n == 0 || (n < DELIVERY_WINDOW / 2 && n < left) || d->queue == NULL)
		return;
	if (d->in_flight + n > DELIVERY_IN_FLIGHT_MAX) {
		if (!j->waits_credit)
			TAILQ_INSERT_TAIL(&d->credit, j, credit_entry);
		j->waits_credit = true;
		return;
	}
	credit_leave(j);
	j->granted += n;
	d->in_flight += n;
	ipc_send_job_want(d->queue, j->id, &(struct ipc_job_want){ .bytes = (uint32_t)n });
}

static void
job_abort(struct job *j, const char *text)
{
	if (job_is_ending(j))
		return;
	j->cancelled = true;
	if (j->conn != NULL) {
		smtp_client_abort(j->conn->engine, text);
		conn_pump(j->conn);
		return;
	}
	job_finish_local(j, SMTP_CLIENT_TEMP, "4.3.0", text, IPC_OK);
}

static void
on_timeout(void *arg)
{
	job_abort(arg, "the delivery takes too long");
}

/* --- what queue says --------------------------------------------------------------------------- */

static void
drop_jobs(struct delivery *d)
{
	struct job *j;

	ipc_channel_free(&d->queue);
	while ((j = LIST_FIRST(&d->jobs)) != NULL)
		job_free(j);
}

static void
violation(struct delivery *d, const char *what)
{
	log_error(NULL, "event=channel-cut peer=queue reason=\"%s\"", what);
	drop_jobs(d);
}

static const char *
keep(struct job *j, struct str s)
{
	struct str copy = arena_str(j->arena, s);

	assert(copy.p != NULL); /* the row's limits are below the arena's */
	return copy.p;
}

/* What has no form in the DNS stays as it is: the route then says that it is no domain. */
static void
take_domain(struct job *j, struct str domain)
{
	if (idn_to_ascii(domain, j->domain) < 0)
		snprintf(j->domain, sizeof(j->domain), "%.*s", STRF(domain));
}

static void
on_job_begin(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_begin *m, int fd)
{
	struct delivery *d = arg;
	struct job *j;

	(void)ch;
	(void)fd;
	if (m->recipients == 0 || m->recipients > SMTP_CLIENT_RCPT_MAX || m->domain.n == 0) {
		violation(d, "a job with no or too many recipients, or no domain");
		return;
	}
	j = xcalloc(1, sizeof(*j));
	j->d = d;
	j->id = id;
	j->started_ms = io_now_ms(d->loop);
	j->seed = ++d->seed;
	j->arena = arena_new(JOB_ARENA_MAX);
	snprintf(j->queue_id, sizeof(j->queue_id), "%.*s", STRF(m->queue_id));
	take_domain(j, m->domain);
	j->nrcpts = m->recipients;
	j->rcpts = arena_alloc(j->arena, j->nrcpts * sizeof(*j->rcpts));
	j->results = xcalloc(j->nrcpts, sizeof(*j->results));
	j->message = (struct smtp_client_message){
		.from = keep(j, m->reverse_path),
		.rcpts = j->rcpts,
		.nrcpts = j->nrcpts,
		.size = m->size,
		.body_8bit = m->body_8bit != 0,
		.smtputf8 = m->smtputf8 != 0,
		.ret = m->dsn_ret <= SMTP_RET_HDRS ? (enum smtp_ret)m->dsn_ret : SMTP_RET_NONE,
		.envid = m->envid.n > 0 ? keep(j, m->envid) : NULL,
	};
	buf_init(&j->content, DELIVERY_WINDOW);
	j->timer = io_timer_new(d->loop, on_timeout, j);
	LIST_INSERT_HEAD(&d->jobs, j, entry);
	map_put(d->by_id, id, j);
	d->njobs++;
}

static void
job_start(struct job *j)
{
	struct delivery *d = j->d;
	char destination[256];

	if (d->njobs > DELIVERY_JOBS_MAX || d->stopping) {
		job_finish_local(j, SMTP_CLIENT_TEMP, "4.3.2", "too many deliveries", IPC_OK);
		return;
	}
	io_timer_set(j->timer, SMTP_CLIENT_TOTAL_SECONDS * 1000ULL);
	job_destination(j, destination);
	if ((j->conn = pool_take(d, destination)) == NULL) {
		lookup_start(j);
		return;
	}
	j->state = JOB_CONNECTED;
	conn_take(j->conn, j);
}

static void
on_job_recipient(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_recipient *m, int fd)
{
	struct delivery *d = arg;
	struct job *j = map_get(d->by_id, id);

	(void)ch;
	(void)fd;
	j->rcpts[j->got++] = (struct smtp_client_rcpt){
		.to = keep(j, m->address),
		.notify = m->notify,
		.orcpt = m->orcpt.n > 0 ? keep(j, m->orcpt) : NULL,
	};
	if (j->got == j->nrcpts)
		job_start(j);
}

static void
on_job_content(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_content *m, int fd)
{
	struct delivery *d = arg;
	struct job *j = map_get(d->by_id, id), *waiting;

	(void)ch;
	(void)fd;
	if (j == NULL) /* it has ended meanwhile */
		return;
	if (m->bytes.n > j->granted - j->received) {
		violation(d, "more content than was asked for");
		return;
	}
	j->received += m->bytes.n;
	d->in_flight -= m->bytes.n;
	(void)buf_put(&j->content, m->bytes.p, m->bytes.n);
	if (j->conn != NULL)
		conn_pump(j->conn);
	if ((waiting = TAILQ_FIRST(&d->credit)) != NULL)
		job_want(waiting);
}

static void
on_job_cancel(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_cancel *m, int fd)
{
	struct delivery *d = arg;
	struct job *j = map_get(d->by_id, id);

	(void)ch;
	(void)m;
	(void)fd;
	if (j != NULL && j->got == j->nrcpts)
		job_abort(j, "given up by the queue");
	else if (j != NULL)
		job_finish_local(j, SMTP_CLIENT_TEMP, "4.3.0", "given up by the queue", IPC_OK);
}

/* Of a job that is over content may still be on its way. */
static unsigned
on_state(void *arg, uint64_t id)
{
	const struct delivery *d = arg;
	const struct job *j = map_get(d->by_id, id);

	if (j == NULL)
		return IPC_ST_IDLE | IPC_ST_BUSY;
	return j->state == JOB_OPEN ? IPC_ST_OPEN : IPC_ST_BUSY;
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	drop_jobs(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(job_begin, on_job_begin),
	IPC_ON(job_recipient, on_job_recipient),
	IPC_ON(job_content, on_job_content),
	IPC_ON(job_cancel, on_job_cancel),
};
const struct ipc_ops delivery_queue_ops = {
	.handlers = handlers, .state = on_state, .on_close = on_close
};
