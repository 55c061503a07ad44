/* SPDX-License-Identifier: ISC */
/*
 * Runs at build time: writes the tables of mail/charset.c from what this machine's iconv knows, so
 * that a daemon in an empty root needs no iconv. It fails when a character set is missing or when
 * one is not what it should be.
 */
#include <err.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mail/charset_kind.h"

enum {
	LEAD_FIRST = 0x81,
	LEADS = 0xfe - LEAD_FIRST + 1,
	TRAIL_LAST = 0xfe,
	/* Stands for a character beyond 16 bits: the rest is its place in charset_rare. */
	RARE_FIRST = 0xd800,
	RARE_MAX = 2048,
	GB18030_LINEAR = 39420,
};

static uint32_t rare[RARE_MAX];
static size_t nrare;

static iconv_t
must_open(const char *name)
{
	iconv_t cd = iconv_open("UCS-4LE", name);

	if (cd == (iconv_t)-1)
		err(1, "iconv does not know %s", name);
	return cd;
}

/* The one character these bytes are; 0: none, or several. */
static uint32_t
code_of(iconv_t cd, const uint8_t *bytes, size_t n)
{
	uint8_t out[16];
	char *from = (char *)(uintptr_t)bytes, *to = (char *)out;
	size_t left = n, room = sizeof(out);

	iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &from, &left, &to, &room) == (size_t)-1 || left > 0)
		return 0;
	if (iconv(cd, NULL, NULL, &to, &room) == (size_t)-1 || room != sizeof(out) - 4)
		return 0;
	return out[0] | (uint32_t)out[1] << 8 | (uint32_t)out[2] << 16 | (uint32_t)out[3] << 24;
}

static unsigned
short_of(uint32_t code)
{
	if (code < 0x10000)
		return code;
	if (nrare == RARE_MAX)
		errx(1, "too many characters beyond 16 bits");
	rare[nrare] = code;
	return RARE_FIRST + (unsigned)nrare++;
}

static void
put(unsigned value, size_t i)
{
	printf("%s0x%x,", i % 16 == 0 ? "\n\t" : " ", value);
}

static void
single(const char *name)
{
	iconv_t cd = must_open(name);

	printf("\t{ /* %s */", name);
	for (unsigned c = 0x80; c < 0x100; c++) {
		uint8_t byte = (uint8_t)c;

		put(code_of(cd, &byte, 1), c);
	}
	printf("\n\t},\n");
	iconv_close(cd);
}

/* Two bytes for a character. before: a byte in front of them. Rows without any are left out. */
static void
pairs(const char *c_name, const char *name, unsigned before, unsigned trail_first)
{
	unsigned row[LEADS] = { 0 }, rows = 0;
	iconv_t cd = must_open(name);

	printf("static const uint16_t %s_codes[][%u] = {\n", c_name, TRAIL_LAST - trail_first + 1);
	for (unsigned lead = 0; lead < LEADS; lead++) {
		unsigned code[256] = { 0 }, any = 0;

		for (unsigned trail = trail_first; trail <= TRAIL_LAST; trail++) {
			uint8_t b[3] = { (uint8_t)before, (uint8_t)(LEAD_FIRST + lead),
				(uint8_t)trail };

			code[trail] = short_of(before ? code_of(cd, b, 3) : code_of(cd, b + 1, 2));
			any |= code[trail];
		}
		if (any == 0)
			continue;
		row[lead] = ++rows;
		printf("\t{ /* %x */", LEAD_FIRST + lead);
		for (unsigned trail = trail_first; trail <= TRAIL_LAST; trail++)
			put(code[trail], trail - trail_first);
		printf("\n\t},\n");
	}
	printf("};\n");
	printf("static const struct charset_pairs %s = {\n\t.codes = %s_codes[0],\n\t"
	       ".trail = 0x%x,\n\t.rows = {",
	    c_name, c_name, trail_first);
	for (unsigned lead = 0; lead < LEADS; lead++)
		put(row[lead], lead);
	printf("\n\t},\n};\n\n");
	iconv_close(cd);
}

/* The four-byte form below U+10000: runs of which each begins at a number and a code. */
static void
gb18030(void)
{
	iconv_t cd = must_open("GB18030");
	long shift = -1;

	printf("static const struct charset_run gb18030_runs[] = {\n");
	for (unsigned i = 0; i < GB18030_LINEAR; i++) {
		uint8_t b[4] = { (uint8_t)(0x81 + i / 12600), (uint8_t)(0x30 + i / 1260 % 10),
			(uint8_t)(0x81 + i / 10 % 126), (uint8_t)(0x30 + i % 10) };
		uint32_t code = code_of(cd, b, 4);
		long now = code ? (long)code - (long)i : -2;

		if (now != shift)
			printf("\t{ %u, 0x%x },\n", i, code > 0xffff ? 0 : code);
		shift = now;
	}
	printf("};\n\n");
	iconv_close(cd);
}

static void
must_be(const char *name, const char *bytes, uint32_t code)
{
	iconv_t cd = must_open(name);

	if (code_of(cd, (const uint8_t *)bytes, strlen(bytes)) != code)
		errx(1, "iconv's %s is not what it should be", name);
	iconv_close(cd);
}

int
main(void)
{
	unsigned singles = 0;

	must_be("KOI8-R", "\xc1", 0x430);
	must_be("CP932", "\x8a\xbf", 0x6f22);
	must_be("UHC", "\xc7\xd1", 0xd55c);
	must_be("GB18030", "\xba\xba", 0x6c49);
	must_be("BIG5-HKSCS", "\xba\x7e", 0x6f22);
	must_be("EUC-JP", "\x8f\xb0\xa1", 0x4e02);
	printf("/* Made by lib/mail/charset_gen.c. */\n");
	printf("enum { CHARSET_LEAD = 0x%x, CHARSET_LEADS = %d, CHARSET_RARE = 0x%x };\n\n",
	    LEAD_FIRST, LEADS, RARE_FIRST);
	printf(
	    "struct charset_pairs {\n\tconst uint16_t *codes; /* rows from trail to 0xfe */\n\t"
	    "uint8_t trail;\n\tuint8_t rows[CHARSET_LEADS]; /* of a first byte, + 1; 0: none */\n"
	    "};\n\nstruct charset_run {\n\tuint16_t at, code;\n};\n\n");
	printf("/* 0x80 to 0xff; 0: not assigned */\n");
	printf("static const uint16_t charset_single[][128] = {\n");
#define CHARSET(id, kind, name) \
	if (KIND_##kind == KIND_SINGLE) \
		single(name);
#include "mail/charset_table.h"
#undef CHARSET
	printf("};\n\n/* place in charset_single, + 1; 0: none */\n");
	printf("static const uint8_t charset_single_at[] = {\n");
#define CHARSET(id, kind, name) \
	if (KIND_##kind == KIND_SINGLE) \
		printf("\t[MAIL_CHARSET_" #id "] = %u,\n", ++singles);
#include "mail/charset_table.h"
#undef CHARSET
	printf("};\n\n");
	pairs("charset_sjis", "CP932", 0, 0x40);
	pairs("charset_jis0212", "EUC-JP", 0x8f, 0xa1);
	pairs("charset_gbk", "GB18030", 0, 0x40);
	pairs("charset_big5", "BIG5-HKSCS", 0, 0x40);
	pairs("charset_uhc", "UHC", 0, 0x41);
	gb18030();
	printf("static const uint32_t charset_rare[] = {");
	for (size_t i = 0; i < nrare; i++)
		put(rare[i], i);
	printf("\n};\n");
	return fflush(stdout) != 0;
}
