/* SPDX-License-Identifier: ISC */
/* master --dir DIR: started by "postern run". */
#include "master/master.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "proc/sandbox.h"

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

static const struct {
	enum proc_id proc;
	int count; /* enum setting with the number of instances; -1: one */
} started[] = {
	{ PROC_logger, -1 },
	{ PROC_keys, -1 },
	{ PROC_resolver, -1 },
	{ PROC_accounts, -1 },
	{ PROC_reputation, -1 },
	{ PROC_auth, SET_auth_workers },
	{ PROC_queue, -1 },
	{ PROC_delivery, -1 },
	{ PROC_control, -1 },
	{ PROC_smtpd, SET_smtpd_workers },
	{ PROC_submission, -1 },
	{ PROC_imapd, SET_imapd_workers },
};

/* What a running instance cannot change (ports, uids) stays as it was until the next start: no
 * process may be started with other values than its peers. */
static void
keep_until_restart(const struct settings *running, struct settings *fresh)
{
	const char *why;

	for (int i = 0; i < SET__MAX; i++) {
		const struct setting_row *row = setting_row((enum setting)i);
		const char *now = settings_text(running, (enum setting)i);

		if (row->when != SW_RESTART ||
		    strcmp(now, settings_text(fresh, (enum setting)i)) == 0)
			continue;
		log_info(NULL, "setting=%s waits for the next start", row->name);
		if (settings_set(fresh, (enum setting)i, now, &why) < 0)
			fatal("setting %s: %s", row->name, why);
	}
}

static bool
load_settings(struct master *m)
{
	struct settings *fresh;
	struct buf errors;
	int r;

	buf_init(&errors, 16 << 10);
	r = config_load(m->config_path, &fresh, &errors);
	if (r < 0) {
		const char *p = (const char *)buf_data(&errors);
		size_t n = buf_len(&errors);

		while (n > 0) {
			ptrdiff_t eol = str_chr(str_from(p, n), '\n');
			size_t len = eol < 0 ? n : (size_t)eol;

			log_error(NULL, "configuration %.*s", (int)len, p);
			p += eol < 0 ? len : len + 1;
			n -= eol < 0 ? len : len + 1;
		}
	} else {
		if (m->settings != NULL)
			keep_until_restart(m->settings, fresh);
		settings_free(&m->settings);
		m->settings = fresh;
		log_set_debug(settings_bool(fresh, SET_log_debug));
	}
	buf_free(&errors);
	return r == 0;
}

bool
master_reload(struct master *m)
{
	struct child *c;

	if (!load_settings(m))
		return false;
	TAILQ_FOREACH(c, &m->children, link) {
		struct buf text;

		if (!child_alive(c))
			continue;
		child_settings(m, c->proc, &text);
		ipc_send_reload(c->ch, 0,
		    &(struct ipc_reload){ .settings = str_from(buf_data(&text), buf_len(&text)) });
		buf_free(&text);
	}
	log_info(NULL, "reloaded");
	return true;
}

/* --- stopping: stage by stage, so that nobody loses a peer he still needs ----------------------- */

static bool
stage_left(struct master *m, int stage)
{
	struct child *c;

	TAILQ_FOREACH(c, &m->children, link)
		if (proc_rows[c->proc].stage <= stage && c->state != CHILD_GONE)
			return true;
	return false;
}

static void
stop_stage(struct master *m)
{
	struct child *c;

again:
	TAILQ_FOREACH(c, &m->children, link) {
		if (proc_rows[c->proc].stage != m->stop_stage || c->state == CHILD_STOPPING ||
		    c->state == CHILD_GONE)
			continue;
		child_event(c, EV_STOP); /* may free this child */
		goto again;
	}
}

static void
continue_stop(struct master *m)
{
	static bool inside; /* child_event calls us again */

	if (inside)
		return;
	inside = true;
	while (m->stop_stage < proc_rows[PROC_master].stage && !stage_left(m, m->stop_stage)) {
		m->stop_stage++;
		stop_stage(m);
	}
	if (m->stop_stage >= proc_rows[PROC_master].stage)
		io_loop_stop(m->loop);
	inside = false;
}

static void
begin_stop(void *arg)
{
	struct master *m = arg;

	if (m->stopping)
		return;
	log_info(NULL, "stopping");
	notify_systemd("STOPPING=1");
	m->stopping = true;
	m->stop_stage = -1;
	continue_stop(m);
}

static void
announce(struct master *m)
{
	struct child *c;

	TAILQ_FOREACH(c, &m->children, link)
		if (c->state != CHILD_UP && c->proc != PROC_mailbox)
			return;
	m->announced = true;
	log_info(NULL, "ready");
	printf("ready\n");
	fflush(stdout);
	notify_systemd("READY=1");
}

void
master_progress(struct master *m)
{
	if (m->stopping)
		continue_stop(m);
	else if (!m->announced)
		announce(m);
}

/* --- start ------------------------------------------------------------------------------------------ */

static void
on_hangup(void *arg)
{
	master_reload(arg);
}

static void
on_child(void *arg)
{
	child_reap(arg);
}

static void
start_children(struct master *m)
{
	/* All are entered first: "ready" must not be said before the last one is. */
	for (size_t i = 0; i < sizeof(started) / sizeof(started[0]); i++) {
		uint64_t n = started[i].count < 0
				 ? 1
				 : settings_u64(m->settings, (enum setting)started[i].count);

		for (uint32_t k = 0; k < n; k++)
			child_new(m, started[i].proc, k);
	}
	for (struct child *c = TAILQ_FIRST(&m->children); c != NULL; c = TAILQ_NEXT(c, link))
		child_event(c, EV_START);
}

/* The other executables stand beside this one. */
static char *
own_directory(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		fatal("/proc/self/exe: %s", strerror(errno));
	path[n] = '\0';
	return xstrdup(dirname(path));
}

static const char *
parse_arguments(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "--dir") != 0) {
		fprintf(stderr, "master is a part of Postern: it is started by \"postern run\".\n");
		exit(EXIT_USAGE);
	}
	return argv[2];
}

static void
watch_signals(struct master *m)
{
	io_signal_new(m->loop, SIGTERM, begin_stop, m);
	io_signal_new(m->loop, SIGINT, begin_stop, m);
	io_signal_new(m->loop, SIGHUP, on_hangup, m);
	io_signal_new(m->loop, SIGCHLD, on_child, m);
}

/* One channel for each process, and an active user is one: the usual soft limit is 1024. */
static void
raise_descriptor_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		log_warn(NULL, "descriptor-limit reason=\"%s\"", strerror(errno));
}

int
main(int argc, char **argv)
{
	const char *path = parse_arguments(argc, argv);
	struct master m = { .root = geteuid() == 0 };
	char text[PROC_SANDBOX_TEXT_MAX];

	umask(077);
	log_open("master", -1);
	raise_descriptor_limit();
	TAILQ_INIT(&m.children);
	STAILQ_INIT(&m.listeners);
	m.config_path = xasprintf("%s/postern.conf", path);
	m.libexec = own_directory();
	if (!load_settings(&m))
		fatal("%s has errors, nothing was started", m.config_path);
	instance_open(&m, path);
	if (!m.root)
		log_warn(NULL,
		    "not-root: all processes share uid %d; the rest of the sandbox holds",
		    (int)geteuid());
	m.loop = io_loop_new();
	instance_listen(&m);
	watch_signals(&m);
	start_children(&m);
	if (m.root && proc_sandbox_master(text, sizeof(text)) < 0)
		fatal("sandbox: %s", text);
	io_loop_run(m.loop);
	ipc_flush_all();
	return 0;
}
