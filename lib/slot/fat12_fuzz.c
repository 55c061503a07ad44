/* SPDX-License-Identifier: ISC */
/* Any bytes as a FAT12 file system: a place that is found is inside. */
#include <assert.h>

#include "slot/fat12.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t offset = 0, length = 0;

	if (fat12_find(data, size, "GRUBENV    ", &offset, &length) == FAT12_OK)
		assert(length > 0 && (uint64_t)offset + length <= size);
	return 0;
}
