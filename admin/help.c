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

/* A group of options stands for what --help of the command lists. */
static void
help_line(const struct command *c)
{
	const char *groups = strstr(c->arguments, "[--");
	bool options = c->arguments[0] == '-';
	size_t n = groups ? (size_t)(groups - c->arguments) : strlen(c->arguments);
	char left[64];

	while (n > 0 && c->arguments[n - 1] == ' ')
		n--;
	snprintf(left, sizeof(left), "%s %.*s", c->words, options ? 3 : (int)n,
	    options ? "..." : c->arguments);
	printf("  %-33s %.*s\n", left, first_clause(c->help), c->help);
}

/* The second word of a command of two that begins with this one, or NULL. */
static const char *
second_word(const struct command *c, const char *first)
{
	size_t n = strlen(first);

	return strncmp(c->words, first, n) == 0 && c->words[n] == ' ' ? c->words + n + 1 : NULL;
}

static void
second_words(const char *first, struct buf *out)
{
	for (uint32_t id = CMD_none + 1; id < CMD__MAX; id++) {
		const char *second = second_word(command_get(id), first);

		if (second != NULL)
			buf_printf(out, "%s%s", buf_len(out) > 0 ? ", " : "", second);
	}
}

/* A command of one word stands for all that begin with it, else the first of two words does. */
static bool
stands_for_group(uint32_t id)
{
	const char *words = command_get(id)->words;
	size_t n = strcspn(words, " ");

	if (words[n] == '\0')
		return true;
	for (uint32_t other = CMD_none + 1; other < CMD__MAX; other++) {
		const char *before = command_get(other)->words;

		if (strncmp(words, before, n) == 0 &&
		    (before[n] == '\0' || (before[n] == ' ' && other < id)))
			return false;
	}
	return true;
}

/* The commands of two words that begin with the same one. */
static void
group_line(const char *words)
{
	char first[32], left[40];
	struct buf seconds;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(words, " "), words);
	snprintf(left, sizeof(left), "  %-15s", first);
	buf_init(&seconds, 1024);
	second_words(first, &seconds);
	buf_putc(&seconds, '\0');
	prose(left, (const char *)buf_data(&seconds));
	buf_free(&seconds);
}

/* One line each: the first clause of the help text, or what may follow the first word. */
void
help_all(void)
{
	printf("usage: postern [--dir DIR] [--json] COMMAND [ARGUMENT...]\n");
	for (uint32_t id = CMD_none + 1; id < CMD__MAX; id++) {
		const struct command *c = command_get(id);

		if (!stands_for_group(id))
			continue;
		if (strchr(c->words, ' ') == NULL)
			printf("  %-15s%.*s\n", c->words, first_clause(c->help), c->help);
		else
			group_line(c->words);
	}
	printf("postern COMMAND --help explains one. DIR is %s if it is not given.\n",
	    ADMIN_DEFAULT_DIR);
}

static void
help_options(const struct command *c)
{
	bool any = false;

	for (unsigned o = 0; o < OPTION__MAX; o++) {
		const struct command_option_row *row = command_option((enum command_option)o);
		char name[48], left[64];

		if (!command_has_option(c, (enum command_option)o))
			continue;
		snprintf(name, sizeof(name), "--%s %s", row->name, row->value);
		snprintf(left, sizeof(left), "  %-20s ", name);
		printf("%s", any ? "" : "\nOptions:\n");
		prose(left, row->help);
		any = true;
	}
}

/* backup has backup key: told where backup is asked for, as no group is. */
static void
help_relatives(const char *words)
{
	struct buf seconds;

	buf_init(&seconds, 1024);
	second_words(words, &seconds);
	if (buf_len(&seconds) > 0)
		printf("\nAlso: postern %s %.*s\n", words, (int)buf_len(&seconds),
		    (const char *)buf_data(&seconds));
	buf_free(&seconds);
}

void
help_command(const struct command *c)
{
	char usage[256];

	snprintf(
	    usage, sizeof(usage), "postern [--dir DIR] [--json] %s %s", c->words, c->arguments);
	prose("usage: ", usage);
	putchar('\n');
	prose("", c->help);
	help_options(c);
	if (c->columns[0] != '\0')
		printf("\nColumns: %s\n", c->columns);
	help_relatives(c->words);
	if (c->secret)
		printf("\nThe password is asked for, or read as one line from standard input.\n");
}

bool
help_group(const char *first)
{
	bool any = false;

	for (uint32_t id = CMD_none + 1; id < CMD__MAX; id++) {
		if (second_word(command_get(id), first) == NULL)
			continue;
		help_line(command_get(id));
		any = true;
	}
	return any;
}

int
unknown_command(int argc, char **argv)
{
	struct buf seconds;
	int status;

	buf_init(&seconds, 1024);
	second_words(argv[0], &seconds);
	if (buf_len(&seconds) == 0)
		status = usage_error("there is no command \"%s\" (see: postern --help)", argv[0]);
	else
		status =
		    usage_error("there is no command \"%s%s%s\"; behind %s stands one of: %.*s",
			argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "", argv[0],
			(int)buf_len(&seconds), (const char *)buf_data(&seconds));
	buf_free(&seconds);
	return status;
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
