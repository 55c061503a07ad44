/* SPDX-License-Identifier: ISC */
/* How the character sets of charset_table.h are read: theirs alone, mail/charset.c and the maker of its
 * tables. */
#ifndef POSTERN_MAIL_CHARSET_KIND_H
#define POSTERN_MAIL_CHARSET_KIND_H

enum charset_kind {
	KIND_UNKNOWN,
	KIND_ASCII,
	KIND_UTF8,
	KIND_LATIN1, /* the byte is the code */
	KIND_SINGLE, /* a table of 128 */
	KIND_GB18030,
	KIND_HZ,
	KIND_BIG5,
	KIND_SJIS,
	KIND_EUC_JP,
	KIND_ISO_2022_JP,
	KIND_EUC_KR,
	KIND_ISO_2022_KR,
	KIND_UTF7,
	KIND_UTF16,
};

#endif
