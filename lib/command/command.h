/* SPDX-License-Identifier: ISC */
/*
 * Administration: the table of commands, and both ends of the `admin` channel.
 *
 * An owner (accounts, queue, control) gets admin_request frames from control, answers with any
 * number of command_row() and one command_end(). It checks the arguments again with
 * command_arguments(): control and the command line are not trusted with that.
 */
#ifndef POSTERN_COMMAND_COMMAND_H
#define POSTERN_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/ipc.h"

enum command_owner { COMMAND_local, COMMAND_control, COMMAND_accounts, COMMAND_queue };

enum command_id {
	CMD_none,
#define COMMAND(id, words, owner, arguments, secret, columns, help) CMD_##id,
#include "command/command_table.h"
#undef COMMAND
	CMD__MAX
};

enum {
	COMMAND_ARGS_MAX = 64, /* an alias with that many targets */
	COMMAND_COLUMNS_MAX = 8,
};

struct command {
	const char *words; /* "user add" */
	enum command_owner owner;
	const char *arguments;
	bool secret;
	const char *columns;
	const char *help;
};

/* NULL: no such command. */
const struct command *command_get(uint32_t id);
/*
 * The command that argv[0..argc-1] begins with; *used is how many words it took. CMD_none if none.
 */
enum command_id command_find(int argc, char **argv, int *used);
/* How many arguments the table allows; *most is COMMAND_ARGS_MAX with "...". */
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

/* n cells, as many as the table's columns. Cells beyond the frame's room are cut. */
void command_row(struct ipc_channel *ch, uint64_t id, size_t n, const char *const cells[]);
/* message: for people, one sentence; "" when all is well. */
void command_end(struct ipc_channel *ch, uint64_t id, enum ipc_result result, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
