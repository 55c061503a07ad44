/* SPDX-License-Identifier: ISC */
/*
 * The appliance as the command line sees it: which slot runs, and where both are. The first program of
 * the machine wrote it down:
 *
 *     slot=a
 *     slot_a=/dev/vda4
 *     slot_b=/dev/vda5
 *     env=/dev/vda3        a FAT12 file system with the file grubenv, or that file alone
 *
 * Other lines are other programs' business. Block devices and plain files do alike.
 */
#ifndef POSTERN_ADMIN_MACHINE_H
#define POSTERN_ADMIN_MACHINE_H

#include <limits.h>
#include <stdint.h>

#include "slot/install.h"

enum {
	MACHINE_FILE_MAX = 8192,    /* a dozen lines with paths */
	MACHINE_ENV_MAX = 16 << 20, /* a FAT12 file system is not larger */
	MACHINE_ERROR_MAX = 512,
};

struct machine {
	enum slot running;
	char slot[2][PATH_MAX], env[PATH_MAX];
	/* When it is open: */
	int slot_fd[2], env_fd;
	uint64_t room[2];
	uint64_t env_offset;
	uint8_t block[GRUBENV_SIZE];
	char error[MACHINE_ERROR_MAX];
};

/* Reads the description and opens all; the slot that is not running and the environment for writing,
 * the environment locked. 0, or -1 with a text for people in m->error. Close it in any case. */
int machine_open(struct machine *m, const char *path);
void machine_close(struct machine *m);

/* Writes the first sector of the environment block. 0, or -1 and m->error. */
int machine_put_block(struct machine *m, const uint8_t block[GRUBENV_SIZE]);

/* The whole of a file of at most max bytes, with a NUL behind it; the caller's. NULL: errno. */
char *machine_read_file(const char *path, size_t max, size_t *n);

#endif
