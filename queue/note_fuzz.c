/* SPDX-License-Identifier: ISC */
/* Notes from disk, whatever they hold. Oracle: what is understood is written the same way again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct note n;
	struct buf out;

	if (note_read(str_from(data, size), &n) != 0)
		return 0;
	buf_init(&out, NOTE_MAX);
	note_write(&n, &out);
	if (buf_len(&out) != size || memcmp(buf_data(&out), data, size) != 0)
		abort();
	buf_free(&out);
	return 0;
}
