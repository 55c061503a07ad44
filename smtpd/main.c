/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "daemon/daemon.h"
#include "reception/tlds.h"
#include "smtpd/smtpd.h"

static struct tlds *tlds;

/* Behind the sandbox there is no file any more. What cannot be used refuses nobody. */
static void
read_tlds(const char *path)
{
	char *text = xmalloc(TLDS_FILE_MAX + 1);
	const char *why = "it cannot be read";
	FILE *f = fopen(path, "re");
	size_t n = 0;

	if (f != NULL)
		n = fread(text, 1, TLDS_FILE_MAX + 1, f);
	if (n > TLDS_FILE_MAX)
		why = "it is too long";
	else if (n > 0)
		tlds = tlds_parse(str_from(text, n), &why);
	if (tlds == NULL)
		log_error(NULL, "event=bad-setting setting=smtpd.tld-file file=\"%s\" why=\"%s\"",
		    LOGS(str_of(path)), why);
	if (f != NULL)
		fclose(f);
	free(text);
}

static void
preload(struct daemon *d)
{
	const char *path = settings_text(daemon_settings(d), SET_smtpd_tld_file);

	if (path[0] != '\0')
		read_tlds(path);
	tls_preload();
	tzset();
}

static void
start(struct daemon *d)
{
	struct smtpd *smtpd = smtpd_new(daemon_loop(d), daemon_settings(d), daemon_instance(d));

	smtpd->tlds = tlds;
	daemon_set_data(d, smtpd);
}

static void
on_peer(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side, const char *peer,
    uint32_t instance, int fd)
{
	(void)peer;
	(void)instance;
	if (side == IPC_CLIENT)
		smtpd_peer(daemon_data(d), kind, fd);
	else
		close(fd);
}

static void
on_listener(struct daemon *d, const char *service, int fd)
{
	if (strcmp(service, "smtp") == 0)
		smtp_host_listen(&((struct smtpd *)daemon_data(d))->host, fd, false);
	else
		close(fd);
}

static void
on_reload(struct daemon *d)
{
	smtpd_reload(daemon_data(d), daemon_settings(d));
}

static void
on_stopped(void *arg)
{
	daemon_exit_after(arg, SMTPD_LAST_WORDS_MS);
}

static void
on_stop(struct daemon *d)
{
	smtp_host_stop(&((struct smtpd *)daemon_data(d))->host, on_stopped, d);
}

int
main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "smtpd",
		.preload = preload,
		.start = start,
		.on_peer = on_peer,
		.on_listener = on_listener,
		.on_reload = on_reload,
		.on_stop = on_stop,
	};

	return daemon_main(argc, argv, &spec);
}
