/* SPDX-License-Identifier: ISC */
/* Any bytes as entries of an archive; what is read must be written as it was. */
#include <assert.h>

#include "seal/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[ARCHIVE_HEADER_MAX];
	struct archive_entry e;
	size_t used;

	while (archive_read(data, size, &e, &used) == 1) {
		assert(used <= size && archive_write(&e, again) == used);
		assert(memcmp(again, data, used) == 0);
		assert(strstr(e.path, "..") == NULL || strcmp(e.path, "..") != 0);
		assert(e.path[0] != '/');
		data += used;
		size -= used;
	}
	return 0;
}
