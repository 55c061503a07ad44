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

		if (len > 3 && strncmp(a + len - 3, "...", 3) == 0)
			*most = COMMAND_ARGS_MAX - 1;
		++*most;
		if (*a != '[')
			++*least;
		a += len + (a[len] == ' ');
	}
	if (*most > COMMAND_ARGS_MAX)
		*most = COMMAND_ARGS_MAX;
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
command_arguments(const struct ipc_admin_request *m, const char *args[COMMAND_ARGS_MAX])
{
	const struct command *c = command_get(m->verb);
	struct str rest = m->args, arg;
	int n = 0, least, most;

	if (c == NULL)
		return -1;
	command_arity(c, &least, &most);
	while (command_cell_next(&rest, &arg)) {
		if (n == COMMAND_ARGS_MAX)
			return -1;
		args[n++] = arg.p;
	}
	return rest.n > 0 || n < least || n > most ? -1 : n;
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
