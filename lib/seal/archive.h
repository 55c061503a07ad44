/* SPDX-License-Identifier: ISC */
/*
 * What is in a backup: entries one after the other, each a header and, for a file, its content.
 *
 *	 0  u8 kind      1  u8 0      2  u16 bytes of the path      4  u32 permissions
 *	 8  u64 bytes of content     16  i64 changed: seconds       24  u32 nanoseconds
 *	28  the path, relative, parts separated by '/'
 *
 * FOLDER stands before what is in it. FORGET: the files in this folder that came so far do not count; they
 * changed while they were read, and come again. END is the last entry, and nothing follows it. Pure
 * functions; a reader treats the bytes as hostile: whoever knows the passphrase may have made any.
 */
#ifndef POSTERN_SEAL_ARCHIVE_H
#define POSTERN_SEAL_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	ARCHIVE_FIXED = 28,
	ARCHIVE_PATH_MAX = 255, /* mail/4294967295/0123456789abcdef.seg has 35 */
	ARCHIVE_DEPTH_MAX = 8,  /* folders in folders; three are used */
	ARCHIVE_HEADER_MAX = ARCHIVE_FIXED + ARCHIVE_PATH_MAX, /* what stands before a file */
};

enum archive_kind {
	ARCHIVE_FOLDER = 1,
	ARCHIVE_FILE = 2,
	ARCHIVE_FORGET = 3,
	ARCHIVE_END = 4,
};

struct archive_entry {
	enum archive_kind kind;
	char path[ARCHIVE_PATH_MAX + 1]; /* "" with ARCHIVE_END only */
	uint32_t mode;                   /* the lowest nine bits */
	uint64_t size;
	int64_t seconds;
	uint32_t nanoseconds;
};

/* Relative, no part empty, "." or "..", nothing that is no printable ASCII. */
bool archive_path_good(struct str path);

/* The bytes in out, or 0: the path is not good. */
size_t archive_write(const struct archive_entry *e, uint8_t out[ARCHIVE_HEADER_MAX]);
/*
 * Takes a header from the front: 1 with *used bytes gone; 0: more are needed; -1: there is no such
 * entry.
 */
int archive_read(const uint8_t *p, size_t n, struct archive_entry *e, size_t *used);

#endif
