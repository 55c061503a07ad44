/* SPDX-License-Identifier: ISC */
#include "admin/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "slot/fat12.h"

static int __attribute__((format(printf, 2, 3))) fail(struct machine *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->error, sizeof(m->error), fmt, ap);
	va_end(ap);
	return -1;
}

static int
read_all(int fd, uint64_t offset, void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = pread(fd, (char *)p + done, n - done, (off_t)(offset + done));

		if (r <= 0) {
			errno = r == 0 ? EIO : errno;
			return -1;
		}
		done += (size_t)r;
	}
	return 0;
}

char *
machine_read_file(const char *path, size_t max, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *text = NULL;
	struct stat st;

	if (size >= 0 && (uint64_t)size > max)
		errno = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : EFBIG;
	if (size >= 0 && (uint64_t)size <= max) {
		text = xcalloc(1, (size_t)size + 1);
		*n = (size_t)size;
		if (read_all(fd, 0, text, *n) < 0) {
			free(text);
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return text;
}

/* The value of a line; false: there is none, or it is longer than a path. */
static bool
value_of(const char *text, const char *name, char out[PATH_MAX])
{
	size_t k = strlen(name), n;

	while (text != NULL && *text != '\0') {
		n = strcspn(text, "\n");
		if (n > k && n - k - 1 < PATH_MAX && strncmp(text, name, k) == 0 &&
		    text[k] == '=') {
			memcpy(out, text + k + 1, n - k - 1);
			out[n - k - 1] = '\0';
			return n > k + 1;
		}
		text += n + (text[n] == '\n');
	}
	return false;
}

static int
read_description(struct machine *m, const char *path)
{
	char slot[PATH_MAX];
	size_t n;
	char *text = machine_read_file(path, MACHINE_FILE_MAX, &n);
	int r = 0;

	if (text == NULL)
		return fail(m,
		    "%s: %s. Updates of this kind are for the appliance, which has two slots for its "
		    "system; elsewhere a new version comes as a package.",
		    path, strerror(errno));
	if (!value_of(text, "slot", slot) || (strcmp(slot, "a") != 0 && strcmp(slot, "b") != 0) ||
	    !value_of(text, "slot_a", m->slot[SLOT_A]) ||
	    !value_of(text, "slot_b", m->slot[SLOT_B]) || !value_of(text, "env", m->env))
		r = fail(m, "%s does not tell slot, slot_a, slot_b and env.", path);
	else
		m->running = slot[0] == 'a' ? SLOT_A : SLOT_B;
	free(text);
	return r;
}

static int
open_slot(struct machine *m, enum slot s)
{
	off_t size;

	m->slot_fd[s] = open(m->slot[s], (s == m->running ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (m->slot_fd[s] < 0 || (size = lseek(m->slot_fd[s], 0, SEEK_END)) < 0)
		return fail(m, "%s: %s.", m->slot[s], strerror(errno));
	if (size < SLOT_TRAILER_SIZE)
		return fail(m, "%s is too small for a slot.", m->slot[s]);
	m->room[s] = (uint64_t)size;
	return 0;
}

/* Where grubenv is in what env names. */
static int
find_block(struct machine *m)
{
	static const char *const whys[] = { "", "is neither grubenv nor a FAT12 file system",
		"has no file grubenv of 1024 bytes", "has a grubenv that is scattered" };
	size_t n;
	uint32_t offset = 0, size = 0;
	char *image = machine_read_file(m->env, MACHINE_ENV_MAX, &n);
	int why = 0;

	if (image == NULL)
		return fail(m, "%s: %s.", m->env, strerror(errno));
	if (n != GRUBENV_SIZE) {
		why = -(int)fat12_find((const uint8_t *)image, n, "GRUBENV    ", &offset, &size);
		if (why == 0 && (size != GRUBENV_SIZE || offset + size > n))
			why = -FAT12_NO_FILE;
	}
	if (why == 0)
		memcpy(m->block, image + offset, GRUBENV_SIZE);
	m->env_offset = offset;
	free(image);
	if (why != 0)
		return fail(m, "%s %s.", m->env, whys[why]);
	return grubenv_valid(m->block) ? 0 : fail(m, "%s: grubenv is damaged.", m->env);
}

static int
open_env(struct machine *m)
{
	if ((m->env_fd = open(m->env, O_RDWR | O_CLOEXEC)) < 0)
		return fail(m, "%s: %s.", m->env, strerror(errno));
	if (flock(m->env_fd, LOCK_EX | LOCK_NB) < 0)
		return fail(m, "Another update is under way.");
	return find_block(m);
}

int
machine_open(struct machine *m, const char *path)
{
	memset(m, 0, sizeof(*m));
	m->slot_fd[SLOT_A] = m->slot_fd[SLOT_B] = m->env_fd = -1;
	if (read_description(m, path) < 0 || open_slot(m, SLOT_A) < 0 || open_slot(m, SLOT_B) < 0)
		return -1;
	return open_env(m);
}

void
machine_close(struct machine *m)
{
	int fds[] = { m->slot_fd[SLOT_A], m->slot_fd[SLOT_B], m->env_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	m->slot_fd[SLOT_A] = m->slot_fd[SLOT_B] = m->env_fd = -1;
}

int
machine_put_block(struct machine *m, const uint8_t block[GRUBENV_SIZE])
{
	if (pwrite(m->env_fd, block, GRUBENV_SECTOR, (off_t)m->env_offset) != GRUBENV_SECTOR ||
	    fsync(m->env_fd) < 0)
		return fail(m, "%s: %s.", m->env, strerror(errno));
	return 0;
}
