/* SPDX-License-Identifier: ISC */
/* Sentences for people. */
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "catalogue/catalogue.h"

/* Characters of UTF-8. */
static size_t
width(const char *p, size_t n)
{
	size_t w = 0;

	for (size_t i = 0; i < n; i++)
		w += ((unsigned char)p[i] & 0xc0) != 0x80;
	return w;
}

void
prose(const char *first, const char *text)
{
	enum { LINE = 78 };
	size_t indent = width(first, strlen(first)), column = indent;

	printf("%s", first);
	while (*text != '\0') {
		size_t n = strcspn(text, " "), w = width(text, n);

		if (column > indent && column + 1 + w > LINE) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)n, text);
		column += w;
		text += n + (text[n] == ' ');
	}
	putchar('\n');
}

int
prose_language(const struct command_line *line, int *status)
{
	const char *name = line->option[OPTION_lang];
	int lang = name == NULL ? LANG_EN : language_by_name(name);

	if (lang < 0)
		*status = usage_error("--lang takes en or de");
	return lang;
}
