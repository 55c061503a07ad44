/* SPDX-License-Identifier: ISC */
#include "slot/fat12.h"

#include <stdbool.h>
#include <string.h>

#include "base/le.h"

enum {
	ENTRY_SIZE = 32,
	ATTRIBUTE_VOLUME_OR_DIRECTORY = 0x18, /* a long name's part has the bit of a volume, too */
	CLUSTERS_MAX = 4084,                  /* more: FAT16 */
	END_OF_CHAIN = 0xff8,
};

/* All in bytes but clusters. */
struct geometry {
	uint32_t fat, fat_size, root, root_size, data, cluster, clusters;
};

static bool
power_of_two(uint32_t v)
{
	return v > 0 && (v & (v - 1)) == 0;
}

static bool
read_geometry(const uint8_t *p, size_t n, struct geometry *g)
{
	uint32_t sector, total;

	if (n < 512 || n > UINT32_MAX || p[510] != 0x55 || p[511] != 0xaa)
		return false;
	sector = le_get16(p + 11);
	total = le_get16(p + 19);
	if (!power_of_two(sector) || sector < 512 || sector > 4096 || !power_of_two(p[13]) ||
	    p[16] == 0 || p[16] > 2 || total == 0 || (uint64_t)total * sector > n)
		return false;
	g->cluster = sector * p[13];
	g->fat = sector * le_get16(p + 14);
	g->fat_size = sector * le_get16(p + 22);
	g->root_size = ENTRY_SIZE * (uint32_t)le_get16(p + 17);
	/* Products of 16-bit numbers: at most 4096 * 65535, so the sum of a few needs 64 bits. */
	uint64_t root = (uint64_t)g->fat + (uint64_t)p[16] * g->fat_size;
	uint64_t data = root + (g->root_size + sector - 1) / sector * sector;

	if (g->fat == 0 || g->fat_size == 0 || data >= (uint64_t)total * sector)
		return false;
	g->root = (uint32_t)root;
	g->data = (uint32_t)data;
	g->clusters = (total * sector - g->data) / g->cluster;
	return g->clusters > 0 && g->clusters <= CLUSTERS_MAX &&
	       (g->clusters + 2) * 3 / 2 + 1 < g->fat_size;
}

static uint32_t
next_cluster(const uint8_t *p, const struct geometry *g, uint32_t cluster)
{
	uint32_t v = le_get16(p + g->fat + cluster + cluster / 2);

	return cluster % 2 ? v >> 4 : v & 0xfff;
}

static enum fat12_result
place(const uint8_t *p, const struct geometry *g, const uint8_t *entry, uint32_t *offset,
    uint32_t *size)
{
	uint32_t first = le_get16(entry + 26), bytes = le_get32(entry + 28), cluster = first, count;

	if (bytes == 0)
		return FAT12_NO_FILE;
	count = bytes / g->cluster + (bytes % g->cluster != 0);
	if (first < 2 || count > g->clusters || first - 2 > g->clusters - count)
		return FAT12_NOT_FAT;
	for (uint32_t i = 1; i < count; i++, cluster++)
		if (next_cluster(p, g, cluster) != cluster + 1)
			return FAT12_SCATTERED;
	if (next_cluster(p, g, cluster) < END_OF_CHAIN)
		return FAT12_SCATTERED;
	*offset = g->data + (first - 2) * g->cluster;
	*size = bytes;
	return FAT12_OK;
}

enum fat12_result
fat12_find(
    const uint8_t *image, size_t n, const char name[FAT12_NAME], uint32_t *offset, uint32_t *size)
{
	struct geometry g;

	if (!read_geometry(image, n, &g))
		return FAT12_NOT_FAT;
	for (uint32_t at = g.root; at + ENTRY_SIZE <= g.root + g.root_size; at += ENTRY_SIZE) {
		const uint8_t *entry = image + at;

		if (entry[0] == 0)
			break;
		if (!(entry[11] & ATTRIBUTE_VOLUME_OR_DIRECTORY) &&
		    memcmp(entry, name, FAT12_NAME) == 0)
			return place(image, &g, entry, offset, size);
	}
	return FAT12_NO_FILE;
}
