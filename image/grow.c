/* SPDX-License-Identifier: ISC */
/*
 * grow DISK PARTITION-NUMBER: makes the last partition of a GPT disk as large as the disk allows, in
 * the table and in the kernel. The copy at the end is written first; when power fails in between, the
 * old table at the beginning still holds. Prints "grown" or "full".
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SECTOR = 512,
	ENTRY = 128,
	ENTRIES = 128,
	TABLE = ENTRY * ENTRIES, /* 32 sectors */
	ALIGN = 2048,            /* sectors: a partition ends at 1 MiB */
	WORTH = 2048,            /* sectors: less is not worth a write */
};

struct gpt_header {
	char signature[8];
	uint32_t revision, size, crc, zero;
	uint64_t own, other, first, last;
	unsigned char guid[16];
	uint64_t entries;
	uint32_t count, entry_size, entries_crc;
} __attribute__((packed));

struct gpt_entry {
	unsigned char type[16], guid[16];
	uint64_t first, last, flags;
	uint16_t name[36];
} __attribute__((packed));

struct disk {
	int fd;
	bool is_device;
	uint64_t sectors;
	struct gpt_header header;
	unsigned char table[TABLE];
};

static uint32_t
crc32(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint32_t crc = 0xffffffff;

	while (size-- > 0) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void
transfer(const struct disk *d, bool write, void *data, size_t size, uint64_t sector)
{
	off_t at = (off_t)(sector * SECTOR);
	ssize_t n = write ? pwrite(d->fd, data, size, at) : pread(d->fd, data, size, at);

	if (n != (ssize_t)size)
		err(1, "%s of sector %llu", write ? "write" : "read", (unsigned long long)sector);
}

static void
load(struct disk *d, const char *path)
{
	struct gpt_header *h = &d->header;
	unsigned char sector[SECTOR];
	struct stat st;
	uint32_t crc;

	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0 || fstat(d->fd, &st) < 0)
		err(1, "%s", path);
	d->is_device = S_ISBLK(st.st_mode);
	d->sectors = (uint64_t)st.st_size;
	if (d->is_device && ioctl(d->fd, BLKGETSIZE64, &d->sectors) < 0)
		err(1, "%s: size", path);
	d->sectors /= SECTOR;
	transfer(d, false, sector, sizeof(sector), 1);
	memcpy(h, sector, sizeof(*h));
	crc = h->crc;
	h->crc = 0;
	if (memcmp(h->signature, "EFI PART", 8) != 0 || h->size != sizeof(*h) ||
	    crc32(h, sizeof(*h)) != crc || h->count != ENTRIES || h->entry_size != ENTRY ||
	    h->entries != 2)
		errx(1, "%s: no partition table as the image has it", path);
	transfer(d, false, d->table, sizeof(d->table), 2);
	if (crc32(d->table, sizeof(d->table)) != h->entries_crc)
		errx(1, "%s: the partition table is broken", path);
}

static void
store(struct disk *d, uint64_t own, uint64_t other, uint64_t entries)
{
	unsigned char sector[SECTOR] = { 0 };
	struct gpt_header h = d->header;

	h.own = own;
	h.other = other;
	h.entries = entries;
	h.crc = 0;
	h.crc = crc32(&h, sizeof(h));
	memcpy(sector, &h, sizeof(h));
	transfer(d, true, d->table, sizeof(d->table), entries);
	transfer(d, true, sector, sizeof(sector), own);
	if (fsync(d->fd) < 0)
		err(1, "sync");
}

static void
tell_kernel(const struct disk *d, int number, const struct gpt_entry *e)
{
	struct blkpg_partition p = {
		.start = (long long)(e->first * SECTOR),
		.length = (long long)((e->last - e->first + 1) * SECTOR),
		.pno = number,
	};
	struct blkpg_ioctl_arg arg = {
		.op = BLKPG_RESIZE_PARTITION,
		.datalen = sizeof(p),
		.data = &p,
	};

	if (d->is_device && ioctl(d->fd, BLKPG, &arg) < 0)
		err(1, "the kernel does not take the new size");
}

int
main(int argc, char **argv)
{
	static struct disk d;
	struct gpt_entry e;
	uint64_t last;
	int number;

	if (argc != 3 || (number = atoi(argv[2])) < 1 || number > ENTRIES)
		errx(2, "usage: grow DISK PARTITION-NUMBER");
	load(&d, argv[1]);
	memcpy(&e, d.table + (number - 1) * ENTRY, sizeof(e));
	last = (d.sectors - 1 - TABLE / SECTOR) / ALIGN * ALIGN - 1;
	if (e.first < 34 || last < e.last + WORTH) {
		printf("full\n");
		return 0;
	}
	e.last = last;
	memcpy(d.table + (number - 1) * ENTRY, &e, sizeof(e));
	d.header.last = d.sectors - 2 - TABLE / SECTOR;
	d.header.entries_crc = crc32(d.table, sizeof(d.table));
	store(&d, d.sectors - 1, 1, d.sectors - 1 - TABLE / SECTOR);
	store(&d, 1, d.sectors - 1, 2);
	tell_kernel(&d, number, &e);
	printf("grown\n");
	return 0;
}
