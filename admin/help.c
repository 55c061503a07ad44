/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "base/log.h"

/* Length of the first clause: a dot inside of a name does not end it. */
static int
first_clause(const char *text)
{
	size_t n = 0;

	while (text[n] != '\0' && text[n] != ';' && text[n] != ':' &&
	       !(text[n] == '.' && (text[n + 1] == ' ' || text[n + 1] == '\0')))
		n++;
	return (int)n;
}

void
help_all(void)
{
	printf("postern %s - a mail server for a small office or a home\n\n"
	       "usage: postern [--dir DIR] [--json] COMMAND [ARGUMENT...]\n"
	       "       postern COMMAND --help\n\n",
	    POSTERN_VERSION);
	for (uint32_t id = CMD_none + 1; id < CMD__MAX; id++) {
		const struct command *c = command_get(id);
		char left[64];
		bool options = c->arguments[0] == '-';
		const char *groups = strstr(c->arguments, "[--");
		size_t n = groups ? (size_t)(groups - c->arguments) : strlen(c->arguments);

		snprintf(left, sizeof(left), "%s %.*s", c->words, options ? 3 : (int)n,
		    options ? "..." : c->arguments);
		/* One line each, so that all fit a screen: the first clause of the help text. */
		printf("  %-28s %.*s\n", left, first_clause(c->help), c->help);
	}
	printf("\n--dir is the instance's directory, %s if it is not given.\n", ADMIN_DEFAULT_DIR);
}

static void
help_options(const struct command *c)
{
	bool any = false;

	for (unsigned o = 0; o < OPTION__MAX; o++) {
		const struct command_option_row *row = command_option((enum command_option)o);
		char left[64];

		if (!command_has_option(c, (enum command_option)o))
			continue;
		snprintf(left, sizeof(left), "--%s %s", row->name, row->value);
		printf("%s  %-20s %s\n", any ? "" : "\nOptions:\n", left, row->help);
		any = true;
	}
}

void
help_command(const struct command *c)
{
	printf(
	    "usage: postern [--dir DIR] [--json] %s %s\n\n%s\n", c->words, c->arguments, c->help);
	help_options(c);
	if (c->columns[0] != '\0')
		printf("\nColumns: %s\n", c->columns);
	if (c->secret)
		printf("\nThe password is asked for, or read as one line from standard input.\n");
}

int
usage_error(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "postern: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	return EXIT_USAGE;
}
