/* SPDX-License-Identifier: ISC */
/* Commands that the running instance carries out. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/xalloc.h"

enum { ANSWER_TIMEOUT_MS = 70000 };

/* By way of an open directory, whose path may be longer than a socket address. -errno on failure. */
static int
connect_control(const char *dir)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, r = 0;

	if (dirfd < 0)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/control.sock", dirfd);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		r = -errno;
	close(dirfd);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

static bool
is_instance(const char *dir)
{
	char *path = xasprintf("%s/postern.conf", dir);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

static void
explain_connect(const char *dir, int error, struct buf *message)
{
	if (error == EACCES || error == EPERM)
		buf_printf(message,
		    "%s: %s; only root and the user who started the instance can use it", dir,
		    strerror(error));
	else if ((error == ENOENT || error == ENOTDIR) && !is_instance(dir))
		buf_printf(message,
		    "There is no instance in %s; name its directory with --dir, or make one with: "
		    "postern init --dir %s ...",
		    dir, dir);
	else if (error == ENOENT || error == ECONNREFUSED)
		buf_printf(message,
		    "The instance in %s is not running; start it with: "
		    "postern run --dir %s",
		    dir, dir);
	else
		buf_printf(message, "%s: %s", dir, strerror(error));
}

static enum ipc_result
receive(int fd, struct buf *storage, enum ipc_type got, union ipc_any *reply, admin_row_fn *row,
    void *arg, struct buf *message)
{
	int nofd, r = 0;

	while (r == 0 && got == IPC_admin_row) {
		if (row != NULL)
			row(arg, reply->admin_row.cells);
		r = ipc_call_more(
		    fd, IPC_CH_admin, 1, storage, &got, reply, &nofd, ANSWER_TIMEOUT_MS);
	}
	if (r == 0 && got == IPC_admin_end) {
		buf_put(message, reply->admin_end.message.p, reply->admin_end.message.n);
		return reply->admin_end.result < IPC_RESULT__MAX
			   ? (enum ipc_result)reply->admin_end.result
			   : IPC_TEMP;
	}
	buf_puts(message, r == -2
			      ? "No answer from the instance."
			      : "The instance ended the connection (are you its owner or root?).");
	return IPC_TEMP;
}

enum ipc_result
admin_call(const char *dir, enum command_id id, int argc, char **argv, struct str secret,
    admin_row_fn *row, void *arg, struct buf *message)
{
	struct ipc_admin_request request = { .verb = (uint32_t)id, .secret = secret };
	struct buf args, storage;
	enum ipc_type got;
	union ipc_any reply;
	enum ipc_result result = IPC_TEMP;
	int fd, nofd, r;

	if ((fd = connect_control(dir)) < 0) {
		explain_connect(dir, -fd, message);
		return IPC_TEMP;
	}
	buf_init(&args, 8192);
	buf_init(&storage, 128 << 10);
	for (int i = 0; i < argc; i++) {
		if (buf_put(&args, argv[i], strlen(argv[i]) + 1) < 0) {
			buf_puts(message, "The arguments are too long.");
			result = IPC_INVALID;
			goto out;
		}
	}
	request.args = str_from(buf_data(&args), buf_len(&args));
	r = ipc_call(fd, IPC_CH_admin, IPC_admin_request, 1, &request, &storage, &got, &reply,
	    &nofd, ANSWER_TIMEOUT_MS);
	if (r < 0)
		buf_puts(message, "The instance does not answer (are you its owner or root?).");
	else
		result = receive(fd, &storage, got, &reply, row, arg, message);
out:
	buf_free_secret(&storage);
	buf_free(&args);
	close(fd);
	return result;
}

/* A command with --limit is asked page by page: nobody on the way keeps a long list. */
struct pages {
	struct output *out;
	uint64_t rows;
	char last[64]; /* the first cell of the last row: where to go on */
};

static void
page_row(void *arg, struct str cells)
{
	struct pages *p = arg;
	struct str rest = cells, id;

	if (command_cell_next(&rest, &id))
		snprintf(p->last, sizeof(p->last), "%.*s", STRF(id));
	p->rows++;
	output_row(p->out, cells);
}

/* Of what --limit said: UINT64_MAX without one; 0 with an error. */
static uint64_t
limit_of(const struct command_line *line)
{
	uint64_t n = UINT64_MAX;

	if (line->option[OPTION_limit] != NULL &&
	    !str_u64(str_of(line->option[OPTION_limit]), UINT64_MAX, &n))
		return 0;
	return n;
}

static enum ipc_result
call_pages(struct admin *a, struct output *o, struct buf *message)
{
	enum { MORE = 2 };
	char *argv[COMMAND_ARGS_MAX + 2 * OPTION__MAX + MORE], limit[32], after[80];
	struct pages p = { .out = o };
	struct command_line line;
	enum ipc_result result;
	uint64_t left, asked;

	if (a->argc > (int)(sizeof(argv) / sizeof(argv[0])) - MORE ||
	    command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0 ||
	    (left = limit_of(&line)) == 0) {
		buf_puts(message, "--limit takes a number above 0.");
		return IPC_INVALID;
	}
	memcpy(argv, a->argv, (size_t)a->argc * sizeof(*argv));
	argv[a->argc] = limit;
	argv[a->argc + 1] = after;
	do {
		left -= left == UINT64_MAX ? 0 : p.rows;
		p.rows = 0;
		asked = left < COMMAND_PAGE ? left : COMMAND_PAGE;
		snprintf(limit, sizeof(limit), "--limit=%llu", (unsigned long long)asked);
		snprintf(after, sizeof(after), "--after=%s", p.last);
		result = admin_call(a->dir, a->id, a->argc + (p.last[0] != '\0' ? 2 : 1), argv,
		    STR(""), page_row, &p, message);
	} while (result == IPC_OK && p.rows == asked && p.rows < left);
	return result;
}

int
admin_remote(struct admin *a)
{
	struct output *o;
	struct buf message, secret;
	enum ipc_result result;
	int status;

	buf_init(&secret, 1024);
	if (a->command->secret && password_read(&secret) < 0) {
		buf_free_secret(&secret);
		return EXIT_REFUSED;
	}
	o = output_new(a->command, a->json);
	buf_init(&message, 4096);
	if (command_has_option(a->command, OPTION_limit))
		result = call_pages(a, o, &message);
	else
		result = admin_call(a->dir, a->id, a->argc, a->argv,
		    str_from(buf_data(&secret), buf_len(&secret)), output_row, o, &message);
	buf_free_secret(&secret);
	status = output_end(&o, result, str_from(buf_data(&message), buf_len(&message)));
	buf_free(&message);
	return status;
}
