/* SPDX-License-Identifier: ISC */
#include "imap/objectid.h"

#include <stdio.h>

enum { ID_SIZE = 18 };

/* "M" email, "T" thread, "S" thread of one message; 16 hexadecimal digits. */
static void
print(char out[ID_SIZE], enum imap_objectid kind, const struct imap_message *m)
{
	bool thread = kind == IMAP_THREADID && m->thread != 0;
	char letter = kind == IMAP_EMAILID ? 'M' : thread ? 'T' : 'S';

	snprintf(
	    out, ID_SIZE, "%c%016llx", letter, (unsigned long long)(thread ? m->thread : m->email));
}

int
imap_put_objectid(struct buf *out, enum imap_objectid kind, const struct imap_message *m)
{
	char id[ID_SIZE];

	print(id, kind, m);
	return buf_puts(out, id);
}

bool
imap_objectid_is(struct str want, enum imap_objectid kind, const struct imap_message *m)
{
	char id[ID_SIZE];

	print(id, kind, m);
	return str_eq(want, str_of(id));
}
