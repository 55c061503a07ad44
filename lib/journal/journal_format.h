/* SPDX-License-Identifier: ISC */
/*
 * The bytes on disk. All numbers little-endian, all checksums CRC-32 (zlib).
 *
 * NUMBER.seg    a segment; NUMBER is 16 hexadecimal digits. A header of JOURNAL_HEADER_SIZE bytes,
 *               then records, each beginning at a multiple of 8; zeros (or, in a segment used
 *               before, bytes of another salt) follow the last one.
 * NUMBER.big    the content of one record
 * NUMBER.new    a segment being made; NUMBER.old: an emptied one kept for reuse
 * NUMBER.bad    a segment whose header was damaged, set aside
 * reserve       disk kept for urgent records
 * lock          held by the process that has it open
 *
 * Segment header (its sector is written once, before the file gets its name):
 *	 0  magic "PSTNJRNL"        8  u32 format version     12  u32 0
 *	16  kind, 8 bytes          24  u64 number             32  u64 salt (random)
 *	40  u64 segment before     48  u32 its valid end      52  u32 1: it was cut
 *	56  u64 first sequence number of this segment         64  u32 crc of bytes 0..63
 *
 * Record header:
 *	 0  u32 magic "rec1"        4  u8 type     5  u8 flags     6  u16 0
 *	 8  u32 meta length        12  u32 crc of meta
 *	16  u64 content length     24  u32 crc of content         28  u32 synced end
 *	32  u64 sequence number    40  u64 large content's number, 0: inline
 *	48  u64 about: position    56  u32 about: size            60  u32 crc of salt and bytes
 *0..59 then meta, then inline content, then zeros up to a multiple of 8.
 *
 * "synced end": everything in this segment before that offset was on stable storage when this
 * record was written. So damage below the synced end of a later good record is damage; damage
 * above is a torn write of a batch that nobody was promised, and is cut off.
 *
 * A segment is cut when a sync failed or a torn tail was found: bytes above its valid end are to be
 * ignored, and the segment that says so is kept as long as the cut one exists. Ends of other
 * segments are found by reading them.
 *
 * A position is the segment's number << 32 | the offset of the record's header.
 */
#ifndef POSTERN_JOURNAL_FORMAT_H
#define POSTERN_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"

enum {
	JOURNAL_VERSION = 1,
	/* One page: header rewriting never touches a record's page. */
	JOURNAL_HEADER_SIZE = 4096,
	JOURNAL_HEADER_USED = 68,
	JOURNAL_RECORD_HEADER = 64,
	/* Offsets are 32 bits; a batch may begin just below segment_bytes and is never split. */
	JOURNAL_SEGMENT_MAX = 1024 * 1024 * 1024,
};

enum {
	JOURNAL_F_LAST = 1, /* last of its batch: the batch is complete */
	JOURNAL_F_KILL = 2, /* the record it is about is dead */
};

struct journal_segment_header {
	char kind[8];
	uint64_t number, salt;
	uint64_t prev;
	uint32_t prev_end;
	bool prev_cut;
	uint64_t first_seq;
};

void journal_header_encode(
    uint8_t out[JOURNAL_HEADER_USED], const struct journal_segment_header *h);
/* 0, JOURNAL_DAMAGED, JOURNAL_NEWER. */
int journal_header_decode(const uint8_t in[JOURNAL_HEADER_USED], struct journal_segment_header *h);

struct journal_record_header {
	uint8_t type, flags;
	uint32_t meta_len, meta_crc;
	uint64_t content_len;
	uint32_t content_crc, synced_end;
	uint64_t seq, large_id;
	struct journal_ref about;
};

void journal_record_encode(
    uint8_t out[JOURNAL_RECORD_HEADER], const struct journal_record_header *h, uint64_t salt);
/* false: not a record of the segment with this salt, or lengths outside of the limits. */
bool journal_record_decode(
    const uint8_t in[JOURNAL_RECORD_HEADER], struct journal_record_header *h, uint64_t salt);
/* The whole record, with padding. */
uint32_t journal_record_extent(const struct journal_record_header *h);

static inline journal_pos
journal_pos_make(uint64_t segment, uint32_t offset)
{
	return segment << 32 | offset;
}
static inline uint64_t
journal_pos_segment(journal_pos p)
{
	return p >> 32;
}
static inline uint32_t
journal_pos_offset(journal_pos p)
{
	return (uint32_t)p;
}

#endif
