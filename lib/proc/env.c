/* SPDX-License-Identifier: ISC */
#include "proc/env.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

static char time_zone[] = "TZ=UTC";
static char *minimal[] = {
	time_zone,
#ifdef POSTERN_SANITIZE
	NULL, /* room for the sanitizers' options */
	NULL,
	NULL,
#endif
	NULL,
};

char *const *
proc_env_minimal(void)
{
#ifdef POSTERN_SANITIZE
	static const char *const kept[] = { "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=" };
	size_t n = 1;

	for (char **e = environ; e != NULL && *e != NULL && environ != minimal; e++)
		for (size_t i = 0; i < 3; i++)
			if (n < 4 && strncmp(*e, kept[i], strlen(kept[i])) == 0)
				minimal[n++] = *e;
#endif
	return minimal;
}

/* Whoever started us may have left standard descriptors closed: they must not be given to the next
 * thing that is opened. */
static void
standard_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		fatal("cannot open /dev/null");
	close(fd);
	close_range(PROC_ENV_LAST_FD + 1, ~0U, 0);
}

/* Handlers end at exec; what is inherited is that a signal is ignored or blocked. */
static void
signals(void)
{
	struct sigaction sa;
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			signal(s, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
proc_env_prepare(void)
{
	environ = (char **)proc_env_minimal();
	tzset(); /* now: later the time zone's file is out of reach */
	standard_descriptors();
	umask(077);
	if (chdir("/") < 0)
		fatal("cannot change to /");
	alarm(0);
	signals();
}
