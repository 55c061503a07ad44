/* SPDX-License-Identifier: ISC */
#include "smtp/field.h"

#include <string.h>

#include "smtp/limits.h"

/* All but the Resent ones may stand once. */
const struct smtp_field smtp_fields[SMTP_FIELDS] = {
	{ { "From", 4 }, FIELD_FROM, true },
	{ { "Sender", 6 }, FIELD_SENDER, true },
	{ { "Date", 4 }, FIELD_DATE, true },
	{ { "Message-ID", 10 }, FIELD_MESSAGE_ID, true },
	{ { "Reply-To", 8 }, FIELD_PLAIN, true },
	{ { "To", 2 }, FIELD_PLAIN, true },
	{ { "Cc", 2 }, FIELD_PLAIN, true },
	{ { "Bcc", 3 }, FIELD_PLAIN, true },
	{ { "In-Reply-To", 11 }, FIELD_PLAIN, true },
	{ { "References", 10 }, FIELD_PLAIN, true },
	{ { "Subject", 7 }, FIELD_PLAIN, true },
	{ { "Resent-From", 11 }, FIELD_RESENT_FROM, false },
	{ { "Resent-Sender", 13 }, FIELD_RESENT_SENDER, false },
};

int
smtp_field(struct str name)
{
	int i = 0;

	while (i < SMTP_FIELDS && !str_eq_nocase(name, smtp_fields[i].name))
		i++;
	return i < SMTP_FIELDS ? i : -1;
}

void
smtp_message_id(struct str value, char *out)
{
	char *at;

	while (value.n > 0 && strchr(" \t\r\n<", value.p[0]) != NULL)
		value = str_from(value.p + 1, value.n - 1);
	while (value.n > 0 && strchr(" \t\r\n>", value.p[value.n - 1]) != NULL)
		value.n--;
	if (value.n > SMTP_MESSAGE_ID_MAX)
		value.n = SMTP_MESSAGE_ID_MAX;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	for (at = strrchr(out, '@'); at != NULL && *at != '\0'; at++)
		*at = (char)ascii_tolower((unsigned char)*at);
}
