/* SPDX-License-Identifier: ISC */
/* The fields of a header that mean something to SMTP services (rfc5322:3.6). */
#ifndef POSTERN_SMTP_FIELD_H
#define POSTERN_SMTP_FIELD_H

#include <stdbool.h>

#include "base/str.h"

/* What a field is to us. */
enum smtp_field_role {
	FIELD_PLAIN,
	FIELD_DATE,
	FIELD_MESSAGE_ID,
	FIELD_FROM, /* this and what follows has addresses that a sender must own */
	FIELD_SENDER,
	FIELD_RESENT_FROM,
	FIELD_RESENT_SENDER
};

enum { SMTP_FIELDS = 13 };

extern const struct smtp_field {
	struct str name;
	enum smtp_field_role role;
	bool once; /* programs differ in which of two they show */
} smtp_fields[SMTP_FIELDS];

/* Its row; -1: none of them. */
int smtp_field(struct str name);

/* A Message-ID as it is logged and looked for: without brackets and white space around it, its domain in lower
 * case, cut at SMTP_MESSAGE_ID_MAX. out has one byte more. */
void smtp_message_id(struct str value, char *out);

#endif
