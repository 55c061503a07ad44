/* SPDX-License-Identifier: ISC */
/* The command line. Exit status: 0 done, 1 refused or failed, 75 try again, 100 wrong usage, 111 our
 * environment is broken. */
#ifndef POSTERN_ADMIN_ADMIN_H
#define POSTERN_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "command/command.h"
#include "settings/settings.h"

enum { EXIT_REFUSED = 1, EXIT_TEMP = 75 };

#define ADMIN_DEFAULT_DIR "/var/lib/postern"

struct admin {
	const char *dir;
	bool json;
	const struct command *command;
	enum command_id id;
	int argc; /* arguments behind the command's words */
	char **argv;
};

/* Each carries out local commands; the exit status. */
int admin_init(struct admin *a);
int admin_run(struct admin *a);
int admin_config_list(struct admin *a);
int admin_config_get(struct admin *a);
int admin_config_set(struct admin *a);
int admin_config_check(struct admin *a);
int admin_explain(struct admin *a);
int admin_policy(struct admin *a);
int admin_trace(struct admin *a);
int admin_backup(struct admin *a);
int admin_backup_key(struct admin *a);
int admin_restore(struct admin *a);
int admin_setup(struct admin *a);
int admin_update(struct admin *a);
int admin_update_confirm(struct admin *a);

/* --- init.c */
/* Makes an instance in a->dir with these settings. 0, or the exit status with the reason told. */
int init_instance(struct admin *a, const struct settings *s);

/* --- remote.c --------------------------------------------------------------------------------------- */
/* A row of the answer; cells as in command_cell_next. */
typedef void admin_row_fn(void *arg, struct str cells);
/*
 * Sends a request to the running instance and waits for its end. message gets its text.
 * IPC_TEMP with a message of our own when nothing is running.
 */
enum ipc_result admin_call(const char *dir, enum command_id id, int argc, char **argv,
    struct str secret, admin_row_fn *row, void *arg, struct buf *message);
/* The whole of a command that the instance carries out: the exit status. */
int admin_remote(struct admin *a);

/* --- output.c --------------------------------------------------------------------------------------- */
struct output;
struct output *output_new(const struct command *c, bool json);
void output_row(void *output, struct str cells);
/* Convenience for local commands. */
void output_cells(struct output *o, size_t n, const char *const cells[]);
/* Prints everything; message goes to stderr when the result is not OK. Frees. Exit status. */
int output_end(struct output **o, enum ipc_result result, struct str message);
/* A refused command without rows. */
int admin_fail(const struct admin *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with faults, one a line, that each stand behind first; with --json all are one message. */
int admin_fail_lines(const struct admin *a, const char *first, const struct buf *faults);

/* --- prose.c ---------------------------------------------------------------------------------------- */
/* Prints text (UTF-8) in lines of at most 78 characters; the first begins with first, the others with as many
 * spaces. */
void prose(const char *first, const char *text);
/* Of --lang; -1: an error was told, and *status is the exit status. */
int prose_language(const struct command_line *line, int *status);

/* --- qr.c ------------------------------------------------------------------------------------------- */
/* Prints text as a QR code, for a terminal that knows colours and UTF-8. -1: no code holds it. */
int qr_print(const char *text);

/* --- help.c ----------------------------------------------------------------------------------------- */
void help_all(void);
void help_command(const struct command *c);
/* Of the commands that begin with this word; false: there is none. */
bool help_group(const char *first);
/* What stands there is no command: tells which ones begin like it. */
int unknown_command(int argc, char **argv);
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Reads a password: twice from the terminal without echo, or one line from standard input. 0, or -1
 * with a message already printed. out is secret. */
int password_read(struct buf *out);
/* One line from standard input without its end, from a terminal without echo. 0, or -1 at its end. */
int password_line(const char *prompt, struct buf *out);

#endif
