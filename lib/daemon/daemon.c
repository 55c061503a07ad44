/* SPDX-License-Identifier: ISC */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ipc/frame.h"
#include "proc/env.h"
#include "proc/sandbox.h"

enum {
	STOP_WITHOUT_MASTER_MS = 2000,
	/* A peer that ended is started again and handed over anew within this; longer: its process
	 * lives and only the channel ended. */
	PEER_LOST_MS = 1500,
};

/* Our end of a channel to a peer. */
struct peer_end {
	SLIST_ENTRY(peer_end) link;
	enum ipc_channel_kind kind;
	enum ipc_side side;
	char peer[33];
	uint32_t instance;
	int fd; /* -1: lost */
};

#ifdef POSTERN_SANITIZE
/* The leak checker needs ptrace at the exit, which the sandbox ends the process for: leaks are
 * looked for by the unit tests. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* What came during set-up and is handed to the daemon after its start(). */
struct handed {
	STAILQ_ENTRY(handed) link;
	enum ipc_type type;
	char name[33];
	enum ipc_channel_kind kind;
	enum ipc_side side;
	uint32_t instance;
	int fd;
};

struct daemon {
	const struct daemon_spec *spec;
	struct io_loop *loop;
	struct ipc_channel *master;
	struct io_timer *give_up, *leave, *lost;
	SLIST_HEAD(, peer_end) peers;
	void *data;
	uint32_t instance;
	uid_t uid;
	gid_t gid;
	bool root, setup_over, stopping;
	int dir;
	struct settings *settings;
	STAILQ_HEAD(, handed) handed;
	char sandbox[128];
};

/* --- set-up: frames are read one at a time, before there is a loop ----------------------------- */

static struct handed *
handed_new(struct daemon *d, enum ipc_type type, struct str name, int fd)
{
	struct handed *h = xcalloc(1, sizeof(*h));

	h->type = type;
	h->fd = fd;
	snprintf(h->name, sizeof(h->name), "%.*s", STRF(name));
	STAILQ_INSERT_TAIL(&d->handed, h, link);
	return h;
}

static void
take_settings(struct daemon *d, struct str text)
{
	struct settings *fresh = settings_new();

	if (settings_import(fresh, text) < 0)
		fatal("master sent settings that make no sense");
	settings_free(&d->settings);
	d->settings = fresh;
	log_set_debug(settings_bool(fresh, SET_log_debug));
}

static void
setup_peer(struct daemon *d, const struct ipc_setup_peer *m, int fd)
{
	struct handed *h;

	if (m->channel == IPC_CH_log && !m->as_server) {
		log_open(d->spec->name, fd);
		return;
	}
	h = handed_new(d, IPC_setup_peer, m->peer, fd);
	h->kind = (enum ipc_channel_kind)m->channel;
	h->side = m->as_server ? IPC_SERVER : IPC_CLIENT;
	h->instance = m->peer_instance;
}

static void
setup_frame(struct daemon *d, enum ipc_type type, const union ipc_any *m, int fd)
{
	switch (type) {
	case IPC_setup:
		d->instance = m->setup.instance;
		d->uid = m->setup.uid;
		d->gid = m->setup.gid;
		d->root = m->setup.root != 0;
		take_settings(d, m->setup.settings);
		break;
	case IPC_setup_dir:
		d->dir = fd;
		break;
	case IPC_setup_listener:
		handed_new(d, type, m->setup_listener.service, fd);
		break;
	case IPC_setup_peer:
		setup_peer(d, &m->setup_peer, fd);
		break;
	case IPC_mailbox_attach:
		handed_new(d, type, STR(""), fd)->instance = m->mailbox_attach.purpose;
		break;
	case IPC_setup_done:
		d->setup_over = true;
		break;
	default:
		fatal("master sent message %d during set-up", type);
	}
}

static void
setup(struct daemon *d)
{
	struct buf storage;
	enum ipc_type type;
	union ipc_any m;
	int fd;

	buf_init(&storage, 64 << 10);
	while (!d->setup_over) {
		if (ipc_call_more(
			DAEMON_MASTER_FD, IPC_CH_master, 0, &storage, &type, &m, &fd, 10000) < 0)
			fatal("set-up by master ended early");
		setup_frame(d, type, &m, fd);
	}
	buf_free(&storage);
	if (d->settings == NULL)
		fatal("master sent no settings");
}

/* --- the channel to master ----------------------------------------------------------------------- */

static void
on_leave(void *arg)
{
	daemon_exit(arg);
}

static void
begin_stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	if (d->spec->on_stop != NULL)
		d->spec->on_stop(d);
	else
		daemon_exit(d);
}

static void
on_stop(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_stop *m, int fd)
{
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	begin_stop(arg);
}

static void
on_reload(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_reload *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)id;
	(void)fd;
	take_settings(d, m->settings);
	if (d->spec->on_reload != NULL)
		d->spec->on_reload(d);
}

/* --- peers: whose channel is lost though he lives is asked for again ---------------------------- */

static void
on_channel_lost(void *arg, int fd)
{
	struct daemon *d = arg;
	struct peer_end *e;

	SLIST_FOREACH(e, &d->peers, link) {
		if (e->fd != fd)
			continue;
		e->fd = -1;
		if (e->side == IPC_CLIENT && !d->stopping && !io_timer_pending(d->lost))
			io_timer_set(d->lost, PEER_LOST_MS);
	}
}

static void
ask_for_lost(void *arg)
{
	struct daemon *d = arg;
	struct peer_end *e;

	SLIST_FOREACH(e, &d->peers, link) {
		if (e->fd >= 0 || e->side != IPC_CLIENT || d->stopping)
			continue;
		ipc_send_peer_lost(d->master, 0,
		    &(struct ipc_peer_lost){ .channel = (uint8_t)e->kind,
			.peer = str_of(e->peer),
			.peer_instance = e->instance });
		io_timer_set(d->lost, PEER_LOST_MS);
	}
	ipc_flush_all();
}

static void
give_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	struct peer_end *e;

	/* The number may be that of a channel which the daemon has closed by itself. */
	SLIST_FOREACH(e, &d->peers, link)
		if (e->fd == fd)
			e->fd = -1;
	SLIST_FOREACH(e, &d->peers, link)
		if (e->kind == kind && e->side == side && e->instance == instance &&
		    strcmp(e->peer, peer) == 0)
			break;
	if (e == NULL) {
		e = xcalloc(1, sizeof(*e));
		e->kind = kind;
		e->side = side;
		e->instance = instance;
		snprintf(e->peer, sizeof(e->peer), "%s", peer);
		SLIST_INSERT_HEAD(&d->peers, e, link);
	}
	e->fd = fd;
	d->spec->on_peer(d, kind, side, peer, instance, fd);
}

static void
on_setup_peer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_setup_peer *m, int fd)
{
	struct daemon *d = arg;
	char peer[33];

	(void)ch;
	(void)id;
	if (m->channel == IPC_CH_log && !m->as_server) {
		log_open(d->spec->name, fd);
	} else if (d->spec->on_peer == NULL || m->channel >= IPC_CH__MAX) {
		close(fd);
	} else {
		snprintf(peer, sizeof(peer), "%.*s", STRF(m->peer));
		give_peer(d, (enum ipc_channel_kind)m->channel,
		    m->as_server ? IPC_SERVER : IPC_CLIENT, peer, m->peer_instance, fd);
	}
}

static void
on_mailbox_attach(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_attach *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)id;
	if (d->spec->on_attach != NULL)
		d->spec->on_attach(d, m->purpose, fd);
	else
		close(fd);
}

static void
on_mailbox_opened(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_opened *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)m;
	if (d->spec->on_mailbox_opened != NULL)
		d->spec->on_mailbox_opened(d, id, IPC_OK, fd);
	else
		close(fd);
}

static void
on_mailbox_refused(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_refused *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)fd;
	if (d->spec->on_mailbox_opened != NULL)
		d->spec->on_mailbox_opened(d, id, (enum ipc_result)m->result, -1);
}

static void
on_done(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_done *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)fd;
	if (d->spec->on_done != NULL)
		d->spec->on_done(d, id, (enum ipc_result)m->result);
}

static void
on_mailbox_limits(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_limits *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)id;
	(void)fd;
	if (d->spec->on_limits != NULL)
		d->spec->on_limits(d, m->quota_bytes, m->quota_messages);
}

static void
on_mailbox_holds(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_mailbox_holds *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)id;
	(void)fd;
	if (d->spec->on_holds != NULL)
		d->spec->on_holds(d, m->account, m->bytes, m->messages);
}

static void
on_status_row(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_status_row *m, int fd)
{
	struct daemon *d = arg;

	(void)ch;
	(void)fd;
	if (d->spec->on_status_row != NULL)
		d->spec->on_status_row(d, id, m);
}

/* Without master nothing of us may go on: a new one wants to start a new house. */
static void
on_master_gone(void *arg, struct ipc_channel *ch)
{
	struct daemon *d = arg;

	(void)ch;
	if (!d->stopping)
		io_timer_set(d->give_up, STOP_WITHOUT_MASTER_MS);
	begin_stop(d);
}

static const union ipc_handler master_handlers[IPC__MAX] = {
	IPC_ON(stop, on_stop),
	IPC_ON(reload, on_reload),
	IPC_ON(setup_peer, on_setup_peer),
	IPC_ON(mailbox_attach, on_mailbox_attach),
	IPC_ON(mailbox_opened, on_mailbox_opened),
	IPC_ON(mailbox_refused, on_mailbox_refused),
	IPC_ON(done, on_done),
	IPC_ON(mailbox_limits, on_mailbox_limits),
	IPC_ON(mailbox_holds, on_mailbox_holds),
	IPC_ON(status_row, on_status_row),
};

static const struct ipc_ops master_ops = {
	.handlers = master_handlers,
	.on_close = on_master_gone,
};

/* --- start --------------------------------------------------------------------------------------- */

static void
hand_over(struct daemon *d)
{
	struct handed *h;

	while ((h = STAILQ_FIRST(&d->handed)) != NULL) {
		STAILQ_REMOVE_HEAD(&d->handed, link);
		if (h->type == IPC_setup_listener && d->spec->on_listener != NULL)
			d->spec->on_listener(d, h->name, h->fd);
		else if (h->type == IPC_setup_peer && d->spec->on_peer != NULL)
			give_peer(d, h->kind, h->side, h->name, h->instance, h->fd);
		else if (h->type == IPC_mailbox_attach && d->spec->on_attach != NULL)
			d->spec->on_attach(d, (uint8_t)h->instance, h->fd);
		else
			close(h->fd);
		free(h);
	}
}

static void
enter_sandbox(struct daemon *d)
{
	struct proc_sandbox_request request = {
		.program = d->spec->name,
		.root = d->root,
		.uid = d->uid,
		.gid = d->gid,
		.dir = d->dir,
	};

	if (proc_sandbox_enter(&request, d->sandbox, sizeof(d->sandbox)) < 0)
		fatal("sandbox: %s", d->sandbox);
}

static void
daemon_free(struct daemon *d)
{
	struct peer_end *e;

	ipc_on_lost(NULL, NULL);
	ipc_flush_all();
	ipc_channel_free(&d->master);
	io_timer_free(&d->give_up);
	io_timer_free(&d->leave);
	io_timer_free(&d->lost);
	while ((e = SLIST_FIRST(&d->peers)) != NULL) {
		SLIST_REMOVE_HEAD(&d->peers, link);
		free(e);
	}
	settings_free(&d->settings);
	if (d->dir >= 0)
		close(d->dir);
	io_loop_free(&d->loop);
}

int
daemon_main(int argc, char **argv, const struct daemon_spec *spec)
{
	struct daemon d = { .spec = spec, .dir = -1 };

	(void)argv;
	if (argc != 1 || fcntl(DAEMON_MASTER_FD, F_GETFD) < 0) {
		fprintf(stderr, "%s is a part of Postern: it is started by \"postern run\".\n",
		    spec->name);
		return EXIT_USAGE;
	}
	STAILQ_INIT(&d.handed);
	SLIST_INIT(&d.peers);
	proc_env_prepare();
	setup(&d);
	if (spec->preload != NULL)
		spec->preload(&d);
	d.loop = io_loop_new();
	enter_sandbox(&d);
	d.give_up = io_timer_new(d.loop, on_leave, &d);
	d.leave = io_timer_new(d.loop, on_leave, &d);
	d.lost = io_timer_new(d.loop, ask_for_lost, &d);
	ipc_on_lost(on_channel_lost, &d);
	d.master =
	    ipc_channel_new(d.loop, DAEMON_MASTER_FD, IPC_CH_master, IPC_CLIENT, &master_ops, &d);
	if (spec->start != NULL)
		spec->start(&d);
	hand_over(&d);
	ipc_send_ready(d.master, 0, &(struct ipc_ready){ .sandbox = str_of(d.sandbox) });
	io_loop_run(d.loop);
	daemon_free(&d);
	return 0;
}

/* --- what daemons ask ------------------------------------------------------------------------------ */

struct io_loop *
daemon_loop(struct daemon *d)
{
	return d->loop;
}

void
daemon_set_data(struct daemon *d, void *data)
{
	d->data = data;
}

void *
daemon_data(struct daemon *d)
{
	return d->data;
}

uint32_t
daemon_instance(const struct daemon *d)
{
	return d->instance;
}

int
daemon_dir(const struct daemon *d)
{
	return d->dir;
}

const struct settings *
daemon_settings(const struct daemon *d)
{
	return d->settings;
}

struct ipc_channel *
daemon_master(struct daemon *d)
{
	return d->master;
}

void
daemon_exit(struct daemon *d)
{
	io_loop_stop(d->loop);
}

void
daemon_exit_after(struct daemon *d, uint64_t ms)
{
	io_timer_set(d->leave, ms);
}
