/* SPDX-License-Identifier: ISC */
/*
 * Administration: the table of commands, and both ends of the `admin` channel.
 *
 * An owner (accounts, queue, logger, control) gets admin_request frames from control, answers with any
 * number of command_row() and one command_end(). It checks the arguments again with
 * command_arguments(): control and the command line are not trusted with that.
 */
#ifndef POSTERN_COMMAND_COMMAND_H
#define POSTERN_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/ipc.h"

enum command_owner {
	COMMAND_local,
	COMMAND_control,
	COMMAND_accounts,
	COMMAND_queue,
	COMMAND_logger,
	COMMAND__OWNERS
};

enum command_id {
	CMD_none,
#define COMMAND(id, words, owner, arguments, secret, columns, help) CMD_##id,
#include "command/command_table.h"
#undef COMMAND
	CMD__MAX
};

enum command_option {
#define COMMAND_OPTION(id, group, name, value, help) OPTION_##id,
#include "command/option_table.h"
#undef COMMAND_OPTION
	OPTION__MAX
};

enum {
	COMMAND_ARGS_MAX = 64, /* an alias with that many targets */
	COMMAND_COLUMNS_MAX = 8,
	/* Rows of one answer of a command with --limit: the command line asks for the next ones when it
	 * has printed these, so that nobody on the way keeps a long list in memory. */
	COMMAND_PAGE = 1000,
};

struct command {
	const char *words; /* "user add" */
	enum command_owner owner;
	const char *arguments;
	bool secret;
	const char *columns;
	const char *help;
};

struct command_option_row {
	const char *group, *name, *value, *help;
};

/* The arguments of a command, taken apart. All borrowed. */
struct command_line {
	int argc;
	const char *args[COMMAND_ARGS_MAX];
	const char *option[OPTION__MAX]; /* its value ("" for one without); NULL: not given */
	char error[160];                 /* why not, for people */
};

/* NULL: no such command. */
const struct command *command_get(uint32_t id);
/*
 * The command that argv[0..argc-1] begins with; *used is how many words it took. CMD_none if none.
 */
enum command_id command_find(int argc, char **argv, int *used);
const struct command_option_row *command_option(enum command_option o);
/* Does the command take this option? */
bool command_has_option(const struct command *c, enum command_option o);
/*
 * Takes arguments apart: "--name VALUE" and "--name=VALUE" of the command's options, wherever they
 * stand, the rest in order. What begins with "--" is an option only for a command that has some.
 * 0, or -1 with the reason in line->error.
 */
int command_parse(
    const struct command *c, int argc, const char *const argv[], struct command_line *line);
/* How many arguments the table allows besides options; *most is COMMAND_ARGS_MAX with "...". */
void command_arity(const struct command *c, int *least, int *most);
/* The i-th column's name; false behind the last. */
bool command_column(const struct command *c, size_t i, struct str *name);

/* Cells of a row or arguments: each text ended by NUL. Start with *rest = the bytes; false at the
 * end, and for bytes that do not end in NUL. */
bool command_cell_next(struct str *rest, struct str *cell);

/*
 * The arguments of a request, borrowed and NUL-terminated. Returns their number, or -1 when verb or
 * number do not fit the table (answer with command_end(IPC_INVALID)).
 */
int command_arguments(const struct ipc_admin_request *m, const char *args[COMMAND_ARGS_MAX]);

/* The same with the options. 0 or -1. */
int command_request(const struct ipc_admin_request *m, struct command_line *line);

/* n cells, as many as the table's columns. Cells beyond the frame's room are cut. */
void command_row(struct ipc_channel *ch, uint64_t id, size_t n, const char *const cells[]);
/* message: for people, one sentence; "" when all is well. */
void command_end(struct ipc_channel *ch, uint64_t id, enum ipc_result result, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
