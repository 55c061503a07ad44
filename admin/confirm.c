/* SPDX-License-Identifier: ISC */
/* postern update confirm: a new system is kept when its own services answer as a client sees them. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/machine.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "config/config.h"

enum {
	PROBE_MS = 5000, /* one answer of a machine that starts just now */
	PAUSE_MS = 200,  /* between two rounds */
	WAIT_S = 60, /* --wait: three boots of that and the machine is back within five minutes */
	WAIT_MAX_S = 3600,
	GREETING_MAX = 128,
};

static const struct {
	const char *service;
	uint16_t port;
} probes[] = {
#define LISTENER(service, process, port) { #service, port },
#include "proc/process_table.h"
};

/* What a greeting begins with; of services that begin with TLS it is enough that they take the
 * connection. */
static const struct {
	uint16_t port;
	const char *greeting;
} greetings[] = { { 25, "220 " }, { 587, "220 " }, { 143, "* OK" } };

static const char *
greeting_of(uint16_t port)
{
	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++)
		if (greetings[i].port == port)
			return greetings[i].greeting;
	return "";
}

static bool
wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, PROBE_MS) == 1;
}

/* NULL: it answers as it should; else what is wrong. */
static const char *
ask(const struct sockaddr *sa, socklen_t len, const char *want)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
	char got[GREETING_MAX];
	socklen_t size = sizeof(error);
	const char *why = NULL;
	ssize_t n = 0;

	if (fd < 0)
		return strerror(errno);
	if (connect(fd, sa, len) < 0 && errno != EINPROGRESS)
		why = strerror(errno);
	else if (!wait_for(fd, POLLOUT) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		why = "no connection in time";
	else if (error != 0)
		why = strerror(error);
	else if (*want != '\0' && (!wait_for(fd, POLLIN) || (n = read(fd, got, sizeof(got))) <= 0))
		why = "no greeting in time";
	else if (n < (ssize_t)strlen(want) || memcmp(got, want, strlen(want)) != 0)
		why = "an unexpected greeting";
	close(fd);
	return why;
}

/* The address to reach a listener by: of all addresses, loopback. */
static int
reachable(struct str item, uint16_t port, struct sockaddr_storage *ss, socklen_t *len)
{
	if (str_eq(item, STR("0.0.0.0")))
		item = STR("127.0.0.1");
	else if (str_eq(item, STR("::")))
		item = STR("::1");
	return settings_addr(item, port, ss, len);
}

/* One round: how many do not answer. Rows are printed when o is there. */
static unsigned
round_of_probes(const struct settings *s, struct output *o)
{
	unsigned bad = 0;
	struct str item;

	for (size_t it = 0; settings_list_next(s, SET_general_listen, &it, &item);)
		for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
			uint16_t port =
			    (uint16_t)(probes[i].port + settings_u64(s, SET_general_port_base));
			struct sockaddr_storage ss;
			socklen_t len;
			const char *why = "not an address";
			char address[64], number[8];

			if (probes[i].port == 0)
				continue;
			if (reachable(item, port, &ss, &len) == 0)
				why = ask((struct sockaddr *)&ss, len, greeting_of(probes[i].port));
			bad += why != NULL;
			snprintf(address, sizeof(address), "%.*s", STRF(item));
			snprintf(number, sizeof(number), "%u", port);
			if (o != NULL)
				output_cells(o, 4,
				    (const char *const[]){
					probes[i].service, address, number, why ? why : "ok" });
		}
	return bad;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
all_answer(const struct settings *s, uint64_t seconds)
{
	int64_t end = now_ms() + (int64_t)seconds * 1000;

	while (round_of_probes(s, NULL) > 0) {
		if (now_ms() >= end)
			return false;
		poll(NULL, 0, PAUSE_MS);
	}
	return true;
}

static int
mark_healthy(struct admin *a, const char *path, bool *changed)
{
	struct machine m;
	struct slot_boot b, old;
	int status = 0;

	if (machine_open(&m, path) < 0) {
		status = admin_fail(a, "%s", m.error);
	} else if (slot_boot_read(m.block, &b) < 0) {
		status = admin_fail(a, "%s: grubenv does not tell the order of the slots.", m.env);
	} else {
		old = b;
		slot_boot_healthy(&b, m.running);
		*changed = memcmp(&old, &b, sizeof(b)) != 0;
		if (*changed &&
		    (slot_boot_write(m.block, &b) < 0 || machine_put_block(&m, m.block) < 0))
			status = admin_fail(a, "%s", m.error[0] ? m.error : "grubenv is full");
	}
	machine_close(&m);
	return status;
}

static int
confirm(struct admin *a, const struct settings *s, const char *machine, uint64_t seconds)
{
	struct output *o;
	bool good = all_answer(s, seconds), changed = false;
	int status;

	if (good && (status = mark_healthy(a, machine, &changed)) != 0)
		return status;
	o = output_new(a->command, a->json);
	round_of_probes(s, o);
	return output_end(&o, good ? IPC_OK : IPC_NO,
	    !good     ? STR("Not all services answer; the running system is not confirmed.")
	    : changed ? STR("All services answer; the running system is kept.")
		      : STR("All services answer; the running system was kept already."));
}

int
admin_update_confirm(struct admin *a)
{
	struct command_line line;
	struct settings *s = NULL;
	struct buf errors;
	uint64_t seconds = WAIT_S;
	char *path;
	int status;

	if (command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0)
		return EXIT_USAGE;
	if (line.option[OPTION_wait] != NULL &&
	    !str_u64(str_of(line.option[OPTION_wait]), WAIT_MAX_S, &seconds))
		return usage_error("--wait takes a number of seconds up to %d", WAIT_MAX_S);
	path = xasprintf("%s/postern.conf", a->dir);
	buf_init(&errors, 16 << 10);
	if (config_load(path, &s, &errors) < 0)
		status =
		    admin_fail(a, "%.*s", (int)buf_len(&errors), (const char *)buf_data(&errors));
	else
		status = confirm(a, s,
		    line.option[OPTION_machine] ? line.option[OPTION_machine] : "/run/postern/slot",
		    seconds);
	settings_free(&s);
	buf_free(&errors);
	free(path);
	return status;
}
