/* SPDX-License-Identifier: ISC */
/*
 * postern update: a signed system from a file or an HTTPS server into the slot that is not running. All
 * files are opened by the caller's right; what reads them and talks to the server runs in a process of its
 * own without any (drop()), so that a hostile file or server meets nobody who could do more than fill the
 * empty slot. The trailer at the end is read first: nothing is written, and no more is fetched, before its
 * signature is found good.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/machine.h"
#include "admin/source.h"
#include "base/log.h"

enum {
	UPDATE_CHUNK = 1 << 16,
	UPDATE_UID = 65534, /* "nobody": has no file */
	KEYS_FILE_MAX = 8192,
};

struct update {
	struct admin *a;
	struct machine m;
	struct slot_keys keys;
	const char *name;
	struct source source;
	bool downgrade, installed;
	uint8_t raw[SLOT_TRAILER_SIZE];
	struct slot_trailer new, old;
	char text[1024]; /* the last word, for people */
};

static int __attribute__((format(printf, 2, 3))) say(struct update *u, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->text, sizeof(u->text), fmt, ap);
	va_end(ap);
	return -1;
}

static int
read_at(int fd, uint64_t offset, void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (char *)p + done, n - done, (off_t)(offset + done));

		if (r <= 0) {
			errno = r == 0 ? ENODATA : errno;
			return -1;
		}
		done += (size_t)r;
	}
	return 0;
}

/* --- with the caller's rights ------------------------------------------------------------------------- */

static int
open_keys(struct update *u, const char *path)
{
	size_t n;
	char *text = machine_read_file(path, KEYS_FILE_MAX, &n);
	int r;

	if (text == NULL)
		return say(u, "%s: %s.", path, strerror(errno));
	r = slot_keys_parse(str_from(text, n), &u->keys);
	free(text);
	return r < 0 ? say(u, "%s holds no keys: 64 hexadecimal digits a line.", path) : 0;
}

/* --- without ------------------------------------------------------------------------------------------ */

static void
drop(void)
{
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(UPDATE_UID, UPDATE_UID, UPDATE_UID) < 0 ||
		setresuid(UPDATE_UID, UPDATE_UID, UPDATE_UID) < 0))
		fatal("giving up rights: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		fatal("giving up rights: %s", strerror(errno));
}

/* What runs now, and whether it is proved. */
static int
look_at_running(struct update *u)
{
	enum slot s = u->m.running;
	uint8_t raw[SLOT_TRAILER_SIZE];
	struct slot_boot b;
	const char *why;

	if (read_at(u->m.slot_fd[s], u->m.room[s] - SLOT_TRAILER_SIZE, raw, sizeof(raw)) < 0)
		return say(u, "%s: %s.", u->m.slot[s], strerror(errno));
	if (slot_trailer_parse(raw, &u->old, &why) < 0)
		return say(u, "The running system in %s cannot be told: %s.", u->m.slot[s], why);
	if (slot_boot_read(u->m.block, &b) < 0)
		return say(u, "%s: grubenv does not tell the order of the slots.", u->m.env);
	if (b.fresh == (int)s)
		return say(u,
		    "The running system is new and not confirmed yet; the other slot is the way back. "
		    "See: postern update confirm.");
	return 0;
}

static int
look_at_new(struct update *u)
{
	const char *why;

	if (source_tail(&u->source, u->raw, sizeof(u->raw)) < 0 && u->source.error[0] != '\0')
		return say(u, "%s", u->source.error);
	if (u->source.size <= SLOT_TRAILER_SIZE)
		return say(u, "%s is too short for a system.", u->name);
	if (!slot_trailer_signed(u->raw, &u->keys)) {
		if (slot_trailer_parse(u->raw, &u->new, &why) < 0)
			return say(u, "%s is refused: %s.", u->name, why);
		return say(
		    u, "%s is refused: nobody whom this machine trusts has signed it.", u->name);
	}
	if (slot_trailer_parse(u->raw, &u->new, &why) < 0)
		return say(u, "%s is refused: %s.", u->name, why);
	if (u->new.size != u->source.size - SLOT_TRAILER_SIZE)
		return say(u, "%s is refused: it has %llu bytes instead of %llu.", u->name,
		    (unsigned long long)u->source.size,
		    (unsigned long long)(u->new.size + SLOT_TRAILER_SIZE));
	return 0;
}

static int
compare(struct update *u)
{
	if (strcmp(u->new.arch, u->old.arch) != 0)
		return say(u, "%s is refused: it is for %s, this machine is %s.", u->name,
		    u->new.arch, u->old.arch);
	if (u->new.serial < u->old.serial && !u->downgrade)
		return say(u,
		    "%s is refused: its version %s is older than the running %s. With "
		    "--allow-downgrade it is taken.",
		    u->name, u->new.version, u->old.version);
	return 0;
}

static int
on_write(void *arg, enum slot_device d, uint64_t offset, const void *p, size_t n)
{
	struct update *u = arg;
	int fd = d == SLOT_DEVICE_ENV ? u->m.env_fd : u->m.slot_fd[slot_other(u->m.running)];
	uint64_t base = d == SLOT_DEVICE_ENV ? u->m.env_offset : 0;

	for (size_t done = 0; done < n;) {
		ssize_t w =
		    pwrite(fd, (const char *)p + done, n - done, (off_t)(base + offset + done));

		if (w < 0)
			return -1;
		done += (size_t)w;
	}
	return 0;
}

static int
on_sync(void *arg, enum slot_device d)
{
	struct update *u = arg;

	return fsync(d == SLOT_DEVICE_ENV ? u->m.env_fd : u->m.slot_fd[slot_other(u->m.running)]);
}

/* Besides the results of slot_install: the source has no more. */
enum { STREAM_BROKE_OFF = -100 };

static int
stream(struct update *u, struct slot_install *s)
{
	static uint8_t chunk[UPDATE_CHUNK];
	int r = 0;

	for (uint64_t at = 0; at < u->new.size &&r == 0; at += UPDATE_CHUNK) {
		size_t n =
		    u->new.size - at < UPDATE_CHUNK ? (size_t)(u->new.size - at) : UPDATE_CHUNK;

		if (source_read(&u->source, at, chunk, n) < 0)
			return STREAM_BROKE_OFF;
		r = slot_install_data(s, chunk, n);
	}
	return r;
}

static int
tell_failure(struct update *u, int r)
{
	switch (r) {
	case SLOT_INSTALL_IO:
		return say(
		    u, "Writing failed: %s. The running system is untouched.", strerror(errno));
	case SLOT_INSTALL_ENV:
		return say(u, "%s: there is no room for the order of the slots.", u->m.env);
	case SLOT_INSTALL_ROOM:
		return say(u, "%s is larger than a slot of this machine.", u->name);
	case STREAM_BROKE_OFF:
		return say(u, "%s The other slot is empty now, the running system is untouched.",
		    u->source.error);
	default:
		return say(u,
		    "%s is refused: its content is not what was signed. The other slot is empty now, the "
		    "running system is untouched.",
		    u->name);
	}
}

static int
install(struct update *u)
{
	struct slot_io io = { on_write, on_sync, u };
	enum slot target = slot_other(u->m.running);
	struct slot_install s;
	int r = slot_install_begin(&s, &io, u->raw, target, u->m.room[target], u->m.block);

	if (r == 0)
		r = stream(u, &s);
	if (r == 0)
		r = slot_install_end(&s);
	if (r < 0)
		return tell_failure(u, r);
	u->installed = true;
	say(u, "Version %s is in slot %c and runs from the next boot on; slot %c keeps %s.",
	    u->new.version, slot_letter(target), slot_letter(u->m.running), u->old.version);
	return 0;
}

static int
carry_out(struct update *u)
{
	if (look_at_running(u) < 0 || look_at_new(u) < 0 || compare(u) < 0)
		return -1;
	if (u->new.serial == u->old.serial) {
		say(u, "Version %s is running already; nothing was changed.", u->new.version);
		return 0;
	}
	return install(u);
}

/* --- both --------------------------------------------------------------------------------------------- */

enum { CHILD_INSTALLED = 0, CHILD_NOTHING = 2 };

static int
in_child(struct update *u)
{
	struct output *o = output_new(u->a->command, u->a->json);
	int r;

	drop();
	r = carry_out(u);
	r = output_end(&o, r < 0 ? IPC_NO : IPC_OK, str_of(u->text));
	fflush(NULL);
	return r != 0 ? r : u->installed ? CHILD_INSTALLED : CHILD_NOTHING;
}

static int
run_child(struct update *u, bool reboot_after)
{
	int status;
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) < 0)
		return admin_fail(u->a, "fork: %s", strerror(errno));
	if (pid == 0)
		_exit(in_child(u));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fatal("wait: %s", strerror(errno));
	status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FATAL;
	if (status != CHILD_INSTALLED)
		return status == CHILD_NOTHING ? 0 : status;
	if (reboot_after) {
		execl("/sbin/reboot", "reboot", (char *)NULL);
		return admin_fail(u->a, "/sbin/reboot: %s", strerror(errno));
	}
	return 0;
}

int
admin_update(struct admin *a)
{
	struct command_line line;
	static struct update u;
	const char *keys, *machine;
	int status;

	if (sodium_init() < 0 ||
	    command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0)
		return EXIT_FATAL;
	keys = line.option[OPTION_keys] ? line.option[OPTION_keys] : "/etc/postern/update-keys";
	machine = line.option[OPTION_machine] ? line.option[OPTION_machine] : "/run/postern/slot";
	u.a = a;
	u.source.fd = -1;
	u.name = line.args[0];
	u.downgrade = line.option[OPTION_allow_downgrade] != NULL;
	if (machine_open(&u.m, machine) < 0)
		status = admin_fail(a, "%s", u.m.error);
	else if (source_open(&u.source, u.name, &line) < 0)
		status = admin_fail(a, "%s", u.source.error);
	else if (open_keys(&u, keys) < 0)
		status = admin_fail(a, "%s", u.text);
	else
		status = run_child(&u, line.option[OPTION_reboot] != NULL);
	machine_close(&u.m);
	source_close(&u.source);
	return status;
}
