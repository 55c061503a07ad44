/* SPDX-License-Identifier: ISC */
#include "seal/archive.h"

#include "base/le.h"

enum { PERMISSIONS = 0777, NANOSECONDS = 1000000000 };

static bool
part_good(struct str part)
{
	if (part.n == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
		return false;
	for (size_t i = 0; i < part.n; i++)
		if (part.p[i] <= ' ' || part.p[i] >= 0x7f || part.p[i] == '\\')
			return false;
	return true;
}

bool
archive_path_good(struct str path)
{
	int depth = 0;

	if (path.n > ARCHIVE_PATH_MAX)
		return false;
	for (;;) {
		ptrdiff_t slash = str_chr(path, '/');
		size_t n = slash < 0 ? path.n : (size_t)slash;

		if (++depth > ARCHIVE_DEPTH_MAX || !part_good(str_from(path.p, n)))
			return false;
		if (slash < 0)
			return true;
		path = str_from(path.p + n + 1, path.n - n - 1);
	}
}

size_t
archive_write(const struct archive_entry *e, uint8_t out[ARCHIVE_HEADER_MAX])
{
	size_t n = strlen(e->path);

	if (e->kind == ARCHIVE_END ? n != 0 : !archive_path_good(str_of(e->path)))
		return 0;
	memset(out, 0, ARCHIVE_FIXED);
	out[0] = (uint8_t)e->kind;
	le_put16(out + 2, (uint16_t)n);
	le_put32(out + 4, e->mode & PERMISSIONS);
	le_put64(out + 8, e->size);
	le_put64(out + 16, (uint64_t)e->seconds);
	le_put32(out + 24, e->nanoseconds);
	memcpy(out + ARCHIVE_FIXED, e->path, n);
	return ARCHIVE_FIXED + n;
}

static bool
entry_good(const struct archive_entry *e)
{
	if (e->nanoseconds >= NANOSECONDS || (e->mode & ~(uint32_t)PERMISSIONS) != 0)
		return false;
	if (e->kind != ARCHIVE_FILE && e->size != 0)
		return false;
	switch (e->kind) {
	case ARCHIVE_FOLDER:
	case ARCHIVE_FILE:
	case ARCHIVE_FORGET:
		return archive_path_good(str_of(e->path));
	case ARCHIVE_END:
		return e->path[0] == '\0';
	}
	return false;
}

int
archive_read(const uint8_t *p, size_t n, struct archive_entry *e, size_t *used)
{
	size_t length;

	if (n < ARCHIVE_FIXED)
		return 0;
	length = le_get16(p + 2);
	if (p[1] != 0 || length > ARCHIVE_PATH_MAX)
		return -1;
	if (n < ARCHIVE_FIXED + length)
		return 0;
	memset(e, 0, sizeof(*e));
	e->kind = (enum archive_kind)p[0];
	e->mode = le_get32(p + 4);
	e->size = le_get64(p + 8);
	e->seconds = (int64_t)le_get64(p + 16);
	e->nanoseconds = le_get32(p + 24);
	memcpy(e->path, p + ARCHIVE_FIXED, length);
	*used = ARCHIVE_FIXED + length;
	/* A NUL in it would hide what follows. */
	return strlen(e->path) == length && e->size <= INT64_MAX && entry_good(e) ? 1 : -1;
}
