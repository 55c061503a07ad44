/* SPDX-License-Identifier: ISC */
/* Where a file of a small FAT12 file system lies, to change it in place as a boot loader does: the
 * file system is not mounted and nothing of it is changed but the file's bytes. Pure function. */
#ifndef POSTERN_SLOT_FAT12_H
#define POSTERN_SLOT_FAT12_H

#include <stddef.h>
#include <stdint.h>

enum { FAT12_NAME = 11 /* as in a directory: "GRUBENV    " */ };

enum fat12_result {
	FAT12_OK = 0,
	FAT12_NOT_FAT = -1,   /* not a FAT12 file system, or damaged */
	FAT12_NO_FILE = -2,   /* no such file in its root directory */
	FAT12_SCATTERED = -3, /* its clusters do not follow each other */
};

/* image: the whole file system (n bytes). */
enum fat12_result fat12_find(
    const uint8_t *image, size_t n, const char name[FAT12_NAME], uint32_t *offset, uint32_t *size);

#endif
