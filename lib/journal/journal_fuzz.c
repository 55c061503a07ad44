/* SPDX-License-Identifier: ISC */
/*
 * Recovery of hostile segments. The first byte of the input chooses what is made right before the
 * journal sees it (bit 0: segment header, bit 1: record headers, bit 2: meta and content
 * checksums), the second where the rest is split into two segments.
 *
 * Oracle: opening never fails but for a reason it may have; what is shown can be read, or is called
 * damaged; the journal goes on working, and what it then promises is there when it is opened again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "journal/crashsim.h"
#include "journal/journal.h"
#include "journal/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIX_HEADER = 1, FIX_RECORDS = 2, FIX_CONTENTS = 4, SHOWN_MAX = 4096 };

static struct {
	struct journal_ref ref[SHOWN_MAX];
	size_t count;
	uint64_t last_seq;
	bool found;
} shown;

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "journal_fuzz: %s\n", what);
	abort();
}

static void
on_record(void *arg, const struct journal_record *r)
{
	(void)arg;
	if (shown.count < SHOWN_MAX)
		shown.ref[shown.count++] = r->ref;
	if (r->type == 77 && r->meta_len == 5 && memcmp(r->meta, "again", 5) == 0)
		shown.found = true;
	shown.last_seq = r->seq;
}

/* Makes the record at p right as far as asked; returns its length, 0: no room for one. */
static size_t
fix_record(uint8_t *p, size_t room, unsigned fix, uint64_t salt)
{
	struct journal_record_header h = { 0 };
	size_t size;

	if (room < JOURNAL_RECORD_HEADER)
		return 0;
	h.type = p[4];
	h.flags = p[5];
	h.meta_len = p[8] | (p[9] & 3u) << 8;
	h.content_len = p[16] | (p[17] & 7u) << 8;
	h.synced_end = (uint32_t)p[28] | (uint32_t)p[29] << 8;
	memcpy(&h.seq, p + 32, 1);
	h.large_id = p[40] == 255 ? p[41] : 0;
	h.about.pos = journal_pos_make(p[48] & 3, (uint32_t)(p[50] | p[51] << 8));
	h.about.size = p[56];
	size = journal_record_extent(&h);
	if (size > room) {
		h.meta_len = 0;
		h.content_len = 0;
		size = JOURNAL_RECORD_HEADER;
	}
	if (fix & FIX_CONTENTS) {
		h.meta_crc = journal_crc(0, p + JOURNAL_RECORD_HEADER, h.meta_len);
		h.content_crc = journal_crc(0, p + JOURNAL_RECORD_HEADER + h.meta_len,
		    h.large_id ? 0 : (size_t)h.content_len);
	}
	journal_record_encode(p, &h, salt);
	return size;
}

static void
put_segment(struct crashsim *disk, uint64_t number, const uint8_t *data, size_t size, unsigned fix)
{
	uint8_t *file = xcalloc(1, JOURNAL_HEADER_SIZE + size);
	struct journal_segment_header h = {
		.kind = "fuzz",
		.number = number,
		.salt = 0x1234,
		.prev = number - 1,
		.prev_end = size > 3 ? JOURNAL_HEADER_SIZE + data[2] * 8u : 0,
		.prev_cut = size > 3 && (data[3] & 1),
		.first_seq = size > 4 ? data[4] : 1,
	};
	char name[32];

	memcpy(file + JOURNAL_HEADER_SIZE, data, size);
	if (fix & FIX_HEADER)
		journal_header_encode(file, &h);
	else
		memcpy(file, data, size < JOURNAL_HEADER_SIZE ? size : JOURNAL_HEADER_SIZE);
	if (fix & FIX_RECORDS)
		for (size_t off = 0, n; off < size; off += n)
			if ((n = fix_record(
				 file + JOURNAL_HEADER_SIZE + off, size - off, fix, h.salt)) == 0)
				break;
	snprintf(name, sizeof(name), "%016llx.seg", (unsigned long long)number);
	crashsim_put_file(disk, name, file, JOURNAL_HEADER_SIZE + size);
	free(file);
}

static int
open_journal(struct crashsim *disk, struct journal **j)
{
	struct journal_options o = {
		.kind = "fuzz",
		.segment_bytes = 16384,
		.fill_step = 4096,
		.io = crashsim_io(disk),
		.on_record = on_record,
	};

	memset(&shown, 0, sizeof(shown));
	return journal_open(3, &o, j);
}

static void
read_all(struct journal *j)
{
	struct journal_record r;
	const uint8_t *content;
	struct buf b;
	int fd;

	buf_init(&b, JOURNAL_RECORD_MAX);
	for (size_t i = 0; i < shown.count; i++) {
		int ret = journal_read(j, shown.ref[i], &b, &r, &content);

		must(ret == 0 || ret == JOURNAL_DAMAGED, "a shown record cannot be read");
		if (ret == 0 && content == NULL)
			must(journal_large_open(j, &r, &fd) == JOURNAL_GONE, "content out of air");
	}
	buf_free(&b);
}

static bool
live(void *arg, const struct journal_record *r, struct journal_write *w, uint64_t *key)
{
	(void)arg;
	(void)w;
	*key = r->seq;
	return r->seq % 3 != 0;
}

static void
moved(void *arg, uint64_t key, journal_pos from, struct journal_ref to)
{
	(void)arg;
	(void)key;
	must(from != to.pos, "moved to where it was");
}

static void
go_on(struct journal *j)
{
	struct journal_write w = { .type = 77, .meta = "again", .meta_len = 5 };
	struct journal_mover m = { .live = live, .moved = moved };
	struct journal_ref ref;

	must(journal_append(j, &w, &ref) == 0, "append");
	must(journal_commit(j) == 0, "commit");
	for (int i = 0; i < 4 && journal_compact_wanted(j); i++)
		(void)journal_compact(j, &m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crashsim *disk;
	struct journal *j = NULL;
	size_t split;
	int r;

	if (size < 2 || size > 65536)
		return 0;
	disk = crashsim_new();
	split = 2 + (size - 2) * data[1] / 256;
	put_segment(disk, 1, data + 2, split - 2, data[0]);
	if (split < size)
		put_segment(disk, 2, data + split, size - split, data[0]);
	r = open_journal(disk, &j);
	must(r == 0 || r == JOURNAL_NEWER || r == JOURNAL_KIND, "open");
	if (r == 0) {
		read_all(j);
		go_on(j);
		journal_close(&j);
		must(open_journal(disk, &j) == 0, "open again");
		must(shown.found, "a promised record is gone");
		read_all(j);
	}
	journal_close(&j);
	crashsim_free(&disk);
	return 0;
}
