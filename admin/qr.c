/* SPDX-License-Identifier: ISC */
/* A QR code on a terminal, two rows of it in a line of text. */
#include <qrencode.h>
#include <stdio.h>

#include "admin/admin.h"

/* The standard's quiet zone; without it telephones find nothing. */
enum { QUIET = 4 };

static bool
dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & 1) != 0;
}

/* Black on white whatever the terminal's own colours are. */
static void
print_line(const QRcode *code, int y)
{
	static const char *const halves[] = { " ", "▀", "▄", "█" };

	printf("\033[30;47m");
	for (int x = -QUIET; x < code->width + QUIET; x++)
		printf("%s", halves[dark(code, x, y) | dark(code, x, y + 1) << 1]);
	printf("\033[0m\n");
}

int
qr_print(const char *text)
{
	QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);

	if (code == NULL)
		return -1;
	for (int y = -QUIET; y < code->width + QUIET; y += 2)
		print_line(code, y);
	QRcode_free(code);
	return 0;
}
