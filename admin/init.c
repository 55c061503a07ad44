/* SPDX-License-Identifier: ISC */
/* Making an instance, and starting it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "ca/ca.h"
#include "config/config.h"

struct init_options {
	struct settings *settings;
	char *listen; /* joined by commas */
};

static const struct {
	const char *option;
	enum setting setting;
} options[] = {
	{ "--domain", SET_general_domain },
	{ "--hostname", SET_general_hostname },
	{ "--port-base", SET_general_port_base },
	{ "--listen", SET_general_listen },
};

static int
take_option(struct init_options *o, const char *name, const char *value)
{
	const char *why;
	struct buf want;
	int status;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(name, options[i].option) != 0)
			continue;
		if (options[i].setting == SET_general_listen) {
			char *joined =
			    o->listen ? xasprintf("%s,%s", o->listen, value) : xstrdup(value);

			free(o->listen);
			o->listen = joined;
			value = joined;
		}
		if (settings_set(o->settings, options[i].setting, value, &why) == 0)
			return 0;
		buf_init(&want, 256);
		setting_describe(options[i].setting, &want);
		status = usage_error("%s: \"%s\" %s; give %.*s", name, value, why,
		    (int)buf_len(&want), (const char *)buf_data(&want));
		buf_free(&want);
		return status;
	}
	return usage_error("init: unknown option %s (see: postern init --help)", name);
}

/* Other servers refuse mail of half a name, and one without a dot is no address's domain. */
static int
check_whole(const struct init_options *o, enum setting setting, const char *option)
{
	const char *name = settings_text(o->settings, setting);

	if (strchr(name, '.') != NULL)
		return 0;
	return usage_error("%s: \"%s\" is a part of a name; give the whole, such as %s.example.org",
	    option, name, name);
}

static int
parse_options(struct admin *a, struct init_options *o)
{
	int r = 0;

	for (int i = 0; i < a->argc && r == 0; i += 2) {
		if (i + 1 == a->argc)
			return usage_error("init: %s needs a value", a->argv[i]);
		r = take_option(o, a->argv[i], a->argv[i + 1]);
	}
	if (r == 0 && settings_is_default(o->settings, SET_general_domain))
		return usage_error(
		    "init: --domain is missing (the part of your addresses behind @)");
	if (r == 0 && settings_is_default(o->settings, SET_general_hostname))
		return usage_error(
		    "init: --hostname is missing (the name of this machine in the DNS)");
	if (r == 0)
		r = check_whole(o, SET_general_domain, "--domain");
	if (r == 0)
		r = check_whole(o, SET_general_hostname, "--hostname");
	return r;
}

static int
make_instance(struct admin *a, const struct settings *settings, int dir)
{
	char error[CA_ERROR_MAX], *path;
	struct buf errors;
	int r;

	r = ca_create(dir, settings_text(settings, SET_general_domain),
	    settings_text(settings, SET_general_hostname), error);
	if (r < 0 && r != CA_EXISTS)
		return admin_fail(a, "%s", error);
	/* Last: a directory with this file is an instance, one without can be tried again. */
	path = xasprintf("%s/postern.conf", a->dir);
	buf_init(&errors, 16 << 10);
	r = config_create(path, settings, &errors);
	if (r < 0)
		r = admin_fail_lines(a, "", &errors);
	buf_free(&errors);
	free(path);
	return r;
}

static void
tell_next_steps(struct admin *a)
{
	struct output *o = output_new(a->command, a->json);
	char *text =
	    xasprintf("%s is ready. Next: postern run --dir %s, then postern --dir %s user add "
		      "NAME@DOMAIN. Mail programs trust it by %s/ca.pem.",
		a->dir, a->dir, a->dir, a->dir);

	output_end(&o, IPC_OK, str_of(text));
	free(text);
}

int
init_instance(struct admin *a, const struct settings *s)
{
	int status, dir = -1;

	if (mkdir(a->dir, 0755) < 0 && errno == ENOENT)
		return admin_fail(a,
		    "%s cannot be made: the directory in which it is to be does not exist; make that first.",
		    a->dir);
	if ((dir = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return admin_fail(a, "%s: %s", a->dir, strerror(errno));
	if (faccessat(dir, "postern.conf", F_OK, 0) == 0)
		status = admin_fail(a, "%s is an instance already; nothing was changed.", a->dir);
	else
		status = make_instance(a, s, dir);
	close(dir);
	return status;
}

int
admin_init(struct admin *a)
{
	struct init_options o = { .settings = settings_new() };
	int status;

	if ((status = parse_options(a, &o)) == 0 && (status = init_instance(a, o.settings)) == 0)
		tell_next_steps(a);
	free(o.listen);
	settings_free(&o.settings);
	return status;
}

int
admin_run(struct admin *a)
{
	char self[PATH_MAX], *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		fatal("/proc/self/exe: %s", strerror(errno));
	self[n] = '\0';
	/* PREFIX/bin/postern starts PREFIX/libexec/postern/master. */
	path = xasprintf("%s/../libexec/postern/master", dirname(self));
	execl(path, "master", "--dir", a->dir, (char *)NULL);
	fatal("%s: %s", path, strerror(errno));
}
