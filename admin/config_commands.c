/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "reception/dnsbl.h"

enum { ERRORS_MAX = 16 << 10 };

static char *
config_path(const struct admin *a)
{
	return xasprintf("%s/postern.conf", a->dir);
}

/* NULL: the errors were told. */
static struct settings *
load(struct admin *a, int *status)
{
	char *path = config_path(a);
	struct settings *s = NULL;
	struct buf errors;

	buf_init(&errors, ERRORS_MAX);
	if (config_load(path, &s, &errors) < 0)
		*status = admin_fail_lines(a, "", &errors);
	buf_free(&errors);
	free(path);
	return s;
}

int
admin_config_list(struct admin *a)
{
	struct settings *s;
	struct output *o;
	int status = 0;

	if ((s = load(a, &status)) == NULL)
		return status;
	o = output_new(a->command, a->json);
	for (int i = 0; i < SET__MAX; i++) {
		const struct setting_row *row = setting_row((enum setting)i);
		const char *cells[] = { row->name, settings_shown(s, (enum setting)i), row->def,
			row->help };

		output_cells(o, 4, cells);
	}
	settings_free(&s);
	return output_end(&o, IPC_OK, STR(""));
}

int
admin_config_get(struct admin *a)
{
	int which = setting_by_name(a->argv[0]), status = 0;
	struct settings *s;

	if (which < 0)
		return admin_fail(
		    a, "There is no setting %s; \"postern config list\" shows all.", a->argv[0]);
	if ((s = load(a, &status)) == NULL)
		return status;
	if (a->json) {
		struct output *o = output_new(a->command, true);
		const char *cells[] = { a->argv[0], settings_shown(s, (enum setting)which) };

		output_cells(o, 2, cells);
		status = output_end(&o, IPC_OK, STR(""));
	} else {
		/* The bare value: for scripts without a JSON parser. */
		printf("%s\n", settings_shown(s, (enum setting)which));
	}
	settings_free(&s);
	return status;
}

/* A stopped instance reads the file at its next start; that is no failure. */
static const char *
tell_instance(struct admin *a, enum setting which, enum ipc_result *result, struct buf *message)
{
	static const char restart[] =
	    "Changed; it takes effect when the instance is started again.";

	*result = admin_call(a->dir, CMD_reload, 0, NULL, STR(""), NULL, NULL, message);
	if (*result == IPC_TEMP)
		return "Changed; the instance is not running.";
	if (*result != IPC_OK)
		return NULL;
	return setting_row(which)->when == SW_RESTART ? restart : "Changed.";
}

/* What the command line says, or for a password and "-" what comes by standard input: words of a
 * command line are seen by every user of the machine. NULL: it could not be read. */
static char *
value_given(struct admin *a, int which)
{
	struct buf secret;
	char *value = NULL;

	if (which < 0 || setting_row((enum setting)which)->type != ST_SECRET ||
	    strcmp(a->argv[1], "-") != 0)
		return xstrdup(a->argv[1]);
	buf_init(&secret, SETTINGS_VALUE_MAX);
	if (password_read(&secret) == 0)
		value = xstrndup((const char *)buf_data(&secret), buf_len(&secret));
	buf_free_secret(&secret);
	return value;
}

int
admin_config_set(struct admin *a)
{
	int which = setting_by_name(a->argv[0]), status;
	char *path = config_path(a), *value = value_given(a, which);
	struct buf errors;

	buf_init(&errors, ERRORS_MAX);
	if (value == NULL) {
		status = admin_fail(a, "The password could not be read.");
	} else if (config_set(path, a->argv[0], value, &errors) < 0 || which < 0) {
		status = admin_fail_lines(a, "", &errors);
	} else {
		struct output *o = output_new(a->command, a->json);
		enum ipc_result result;
		const char *told = tell_instance(a, (enum setting)which, &result, &errors);

		status = output_end(&o, told ? IPC_OK : result,
		    told ? str_of(told) : str_from(buf_data(&errors), buf_len(&errors)));
	}
	if (value != NULL)
		explicit_bzero(value, strlen(value));
	free(value);
	buf_free(&errors);
	free(path);
	return status;
}

/* What the table of settings cannot say: how the text of a setting has to look. */
static bool
texts_right(const struct settings *s, struct buf *why)
{
	struct dnsbl_lists lists;

	buf_puts(why, "smtpd.blocklists: ");
	return dnsbl_parse(str_of(settings_text(s, SET_smtpd_blocklists)), &lists, why);
}

int
admin_config_check(struct admin *a)
{
	int status = 0;
	struct settings *s = load(a, &status);
	struct output *o;
	struct buf why;

	if (s == NULL)
		return status;
	buf_init(&why, ERRORS_MAX);
	if (texts_right(s, &why)) {
		o = output_new(a->command, a->json);
		status = output_end(&o, IPC_OK, STR("The settings are correct."));
	} else {
		status = admin_fail_lines(a, "", &why);
	}
	buf_free(&why);
	settings_free(&s);
	return status;
}
