/* SPDX-License-Identifier: ISC */
/*
 * GRUB's environment block: 1024 bytes, a first line, lines of NAME=VALUE, the rest '#'. GRUB writes it
 * in place when it counts a boot, so it must stay where it is; so do we. And which slot is booted,
 * in three of its variables. Pure functions.
 *
 *     order=ab         the first is preferred
 *     try_a=3 try_b=0  boots left: GRUB takes one off at each boot and passes over a slot at 0; a
 *                      healthy boot makes it 3 again
 *     new=             the slot that was installed and has not been healthy yet
 */
#ifndef POSTERN_SLOT_GRUBENV_H
#define POSTERN_SLOT_GRUBENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	GRUBENV_SIZE = 1024,
	GRUBENV_SECTOR = 512, /* all of ours is in the first sector: it is changed in one write */
	GRUBENV_VALUE_MAX = 400, /* no value of a sector is longer */
	SLOT_TRIES = 3,          /* boots a slot gets to become healthy */
};

enum slot { SLOT_A, SLOT_B };

struct slot_boot {
	enum slot first;
	unsigned tries[2];
	int fresh; /* enum slot, or -1 */
};

/* It is such a block: first line, and only whole lines before the '#'s. */
bool grubenv_valid(const uint8_t block[GRUBENV_SIZE]);
/* The value of a variable, NUL-terminated, "" when it is empty; false: there is none, or it is longer. */
bool grubenv_get(const uint8_t block[GRUBENV_SIZE], const char *name, char *out, size_t size);
/* Sets a variable (value: no '\n', no '\\'). 0, or -1 when the block would no longer fit in its first
 * sector; nothing was changed then. */
int grubenv_set(uint8_t block[GRUBENV_SIZE], const char *name, const char *value);

/* 0, or -1: the block is not valid, or does not say it. */
int slot_boot_read(const uint8_t block[GRUBENV_SIZE], struct slot_boot *b);
int slot_boot_write(uint8_t block[GRUBENV_SIZE], const struct slot_boot *b);

static inline enum slot
slot_other(enum slot s)
{
	return s == SLOT_A ? SLOT_B : SLOT_A;
}

static inline char
slot_letter(enum slot s)
{
	return s == SLOT_A ? 'a' : 'b';
}

/* target is about to be written: nobody boots it. */
void slot_boot_begin(struct slot_boot *b, enum slot target);
/* target is whole: it is booted next, SLOT_TRIES times at most until it is healthy. */
void slot_boot_installed(struct slot_boot *b, enum slot target);
/* running works. */
void slot_boot_healthy(struct slot_boot *b, enum slot running);

#endif
