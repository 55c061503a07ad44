/* SPDX-License-Identifier: ISC */
#include "command/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CELLS_MAX = 60000, MESSAGE_MAX = 1024 };

#define SECRET true
#define NOSECRET false
static const struct command commands[CMD__MAX] = {
#define COMMAND(id, w, o, a, s, c, h) \
	[CMD_##id] = { .words = (w), \
		.owner = COMMAND_##o, \
		.arguments = (a), \
		.secret = (s), \
		.columns = (c), \
		.help = (h) },
#include "command/command_table.h"
#undef COMMAND
};

static const struct command_option_row options[OPTION__MAX] = {
#define COMMAND_OPTION(id, g, n, v, h) \
	[OPTION_##id] = { .group = #g, .name = (n), .value = (v), .help = (h) },
#include "command/option_table.h"
#undef COMMAND_OPTION
};

const struct command *
command_get(uint32_t id)
{
	return id > CMD_none && id < CMD__MAX ? &commands[id] : NULL;
}

/* Number of words of c that argv begins with; 0 if it does not begin with all of them. */
static int
matches(const struct command *c, int argc, char **argv)
{
	const char *w = c->words;
	int n = 0;

	while (*w != '\0') {
		size_t len = strcspn(w, " ");

		if (n >= argc || strlen(argv[n]) != len || strncmp(argv[n], w, len) != 0)
			return 0;
		n++;
		w += len + (w[len] == ' ');
	}
	return n;
}

enum command_id
command_find(int argc, char **argv, int *used)
{
	for (uint32_t id = CMD_none + 1; id < CMD__MAX; id++)
		if ((*used = matches(&commands[id], argc, argv)) > 0)
			return (enum command_id)id;
	return CMD_none;
}

void
command_arity(const struct command *c, int *least, int *most)
{
	const char *a = c->arguments;

	*least = *most = 0;
	while (*a != '\0') {
		size_t len = strcspn(a, " ");

		if (strncmp(a, "[--", 3) != 0) {
			if (memmem(a, len, "...", 3) != NULL)
				*most = COMMAND_ARGS_MAX - 1;
			++*most;
			if (*a != '[')
				++*least;
		}
		a += len + (a[len] == ' ');
	}
	if (*most > COMMAND_ARGS_MAX)
		*most = COMMAND_ARGS_MAX;
}

const struct command_option_row *
command_option(enum command_option o)
{
	return &options[o];
}

bool
command_has_option(const struct command *c, enum command_option o)
{
	const char *a = c->arguments;
	size_t n = strlen(options[o].group);

	while ((a = strstr(a, "[--")) != NULL) {
		a += 3;
		if (strncmp(a, options[o].group, n) == 0 && a[n] == ']')
			return true;
	}
	return false;
}

static bool
has_options(const struct command *c)
{
	return strstr(c->arguments, "[--") != NULL;
}

/* The option that the word is, with "=" and its value or without; OPTION__MAX: none of this command. */
static enum command_option
find_option(const struct command *c, const char *word)
{
	size_t n = strcspn(word + 2, "=");
	unsigned o = 0;

	while (o < OPTION__MAX &&
	       !(strlen(options[o].name) == n && strncmp(options[o].name, word + 2, n) == 0 &&
		   command_has_option(c, (enum command_option)o)))
		o++;
	return (enum command_option)o;
}

/* The words that the option at argv[0] takes (1 or 2), or 0 and the reason. */
static int
take_option(const struct command *c, int argc, const char *const argv[], struct command_line *line)
{
	enum command_option o = find_option(c, argv[0]);
	const char *equals = strchr(argv[0], '=');
	int used = 1;

	if (o == OPTION__MAX) {
		snprintf(line->error, sizeof(line->error), "\"%s\" has no option %.40s", c->words,
		    argv[0]);
		return 0;
	}
	if (options[o].value[0] == '\0' && equals == NULL) {
		line->option[o] = "";
	} else if (options[o].value[0] != '\0' && equals != NULL) {
		line->option[o] = equals + 1;
	} else if (options[o].value[0] != '\0' && argc > 1) {
		line->option[o] = argv[1];
		used = 2;
	} else {
		snprintf(line->error, sizeof(line->error), "--%s takes %s", options[o].name,
		    equals ? "no value" : options[o].value);
		return 0;
	}
	return used;
}

int
command_parse(
    const struct command *c, int argc, const char *const argv[], struct command_line *line)
{
	bool options_too = has_options(c);
	int least, most;

	memset(line, 0, sizeof(*line));
	command_arity(c, &least, &most);
	for (int i = 0, used; i < argc; i += used) {
		used = 1;
		if (options_too && strncmp(argv[i], "--", 2) == 0) {
			if ((used = take_option(c, argc - i, argv + i, line)) == 0)
				return -1;
		} else if (line->argc == most) {
			snprintf(line->error, sizeof(line->error), "too many arguments");
			return -1;
		} else {
			line->args[line->argc++] = argv[i];
		}
	}
	if (line->argc < least)
		snprintf(line->error, sizeof(line->error), "too few arguments");
	return line->argc < least ? -1 : 0;
}

bool
command_column(const struct command *c, size_t i, struct str *name)
{
	const char *p = c->columns;

	for (; *p != '\0' && i > 0; i--) {
		p += strcspn(p, ",");
		p += *p == ',';
	}
	*name = str_from(p, strcspn(p, ","));
	return name->n > 0;
}

bool
command_cell_next(struct str *rest, struct str *cell)
{
	ptrdiff_t end = str_chr(*rest, '\0');

	if (end < 0)
		return false;
	*cell = str_from(rest->p, (size_t)end);
	rest->p += end + 1;
	rest->n -= (size_t)end + 1;
	return true;
}

int
command_request(const struct ipc_admin_request *m, struct command_line *line)
{
	enum { WORDS_MAX = COMMAND_ARGS_MAX + 2 * OPTION__MAX };
	const struct command *c = command_get(m->verb);
	const char *words[WORDS_MAX];
	struct str rest = m->args, word;
	int n = 0;

	memset(line, 0, sizeof(*line));
	while (command_cell_next(&rest, &word)) {
		if (n == WORDS_MAX)
			return -1;
		words[n++] = word.p;
	}
	return c == NULL || rest.n > 0 ? -1 : command_parse(c, n, words, line);
}

int
command_arguments(const struct ipc_admin_request *m, const char *args[COMMAND_ARGS_MAX])
{
	struct command_line line;

	if (command_request(m, &line) < 0)
		return -1;
	memcpy(args, line.args, (size_t)line.argc * sizeof(*args));
	return line.argc;
}

void
command_row(struct ipc_channel *ch, uint64_t id, size_t n, const char *const cells[])
{
	struct buf b;

	buf_init(&b, CELLS_MAX);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(cells[i]), room = buf_room(&b) - (n - i);

		buf_put(&b, cells[i], len < room ? len : room);
		buf_putc(&b, '\0');
	}
	ipc_send_admin_row(
	    ch, id, &(struct ipc_admin_row){ .cells = str_from(buf_data(&b), buf_len(&b)) });
	buf_free(&b);
}

void
command_end(struct ipc_channel *ch, uint64_t id, enum ipc_result result, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ipc_send_admin_end(
	    ch, id, &(struct ipc_admin_end){ .result = (uint8_t)result, .message = str_of(text) });
}
