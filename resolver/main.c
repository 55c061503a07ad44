/* SPDX-License-Identifier: ISC */
/* resolver: the only room that speaks DNS. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "daemon/daemon.h"
#include "proc/sandbox.h"
#include "resolver/anchors.h"
#include "resolver/client.h"
#include "resolver/resolve.h"

enum { SERVERS_MAX = 8, DNS_PORT = 53 };

/* NULL: no such file. */
static char *
read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return NULL;
	text = xmalloc(ANCHORS_FILE_MAX + 1);
	while (n < ANCHORS_FILE_MAX && (got = read(fd, text + n, ANCHORS_FILE_MAX - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(fd);
	return text;
}

/* The file's anchors; without the file the root's as they were known when this was built; an empty
 * file (/dev/null) or no file's name: nothing is validated. */
static char *
read_anchors(const struct settings *s)
{
	const char *path = settings_text(s, SET_resolver_trust_anchor_file);
	char *text;

	if (*path == '\0')
		return xstrdup("");
	if ((text = read_file(path)) != NULL)
		return text;
	if (!settings_is_default(s, SET_resolver_trust_anchor_file))
		log_error(NULL, "trust-anchor-file=\"%s\" error=\"%s\" instead=built-in",
		    LOGS(str_of(path)), strerror(errno));
	return xstrdup(anchors_of_root);
}

static void
allow_port(struct str server)
{
	struct sockaddr_storage ss;
	socklen_t len;

	if (settings_addr(server, DNS_PORT, &ss, &len) < 0)
		return;
	proc_sandbox_allow_port(
	    ntohs(ss.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&ss)->sin6_port
					   : ((const struct sockaddr_in *)&ss)->sin_port));
}

static size_t
read_servers(const struct settings *s, char *servers[SERVERS_MAX])
{
	size_t n = 0, it = 0;
	struct str item;

	while (n < SERVERS_MAX && settings_list_next(s, SET_resolver_server, &it, &item)) {
		allow_port(item);
		servers[n++] = xstrndup(item.p, item.n);
	}
	return n;
}

static void
preload(struct daemon *d)
{
	const struct settings *s = daemon_settings(d);
	char *servers[SERVERS_MAX], *anchors = read_anchors(s);
	size_t n = read_servers(s, servers);
	struct resolve_options o = {
		.servers = (const char *const *)servers,
		.nservers = n,
		.anchors = str_of(anchors),
		.cache = settings_u64(s, SET_resolver_cache),
		.timeout_ms = settings_u64(s, SET_resolver_timeout) * 1000,
	};
	const char *why;
	struct resolve *r = resolve_new(&o, &why);

	if (r == NULL)
		fatal("libunbound: %s", why);
	proc_sandbox_allow_port(DNS_PORT);
	daemon_set_data(d, r);
	while (n > 0)
		free(servers[--n]);
	free(anchors);
}

static void
start(struct daemon *d)
{
	resolve_start(daemon_data(d), daemon_loop(d));
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)instance;
	if (kind == IPC_CH_resolver && side == IPC_SERVER)
		client_new(daemon_data(d), daemon_loop(d), peer, fd);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	resolve_set_timeout(
	    daemon_data(d), settings_u64(daemon_settings(d), SET_resolver_timeout) * 1000);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "resolver",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_reload = on_reload,
	};

	return daemon_main(argc, argv, &spec);
}
