/* SPDX-License-Identifier: ISC */
#include "imap/special.h"

static const struct {
	enum imap_special bit;
	struct str name;
} uses[] = {
	{ IMAP_SPECIAL_ARCHIVE, { "\\Archive", 8 } },
	{ IMAP_SPECIAL_DRAFTS, { "\\Drafts", 7 } },
	{ IMAP_SPECIAL_JUNK, { "\\Junk", 5 } },
	{ IMAP_SPECIAL_SENT, { "\\Sent", 5 } },
	{ IMAP_SPECIAL_TRASH, { "\\Trash", 6 } },
};

bool
imap_special_get(size_t i, enum imap_special *bit, struct str *name)
{
	if (i >= sizeof(uses) / sizeof(uses[0]))
		return false;
	*bit = uses[i].bit;
	*name = uses[i].name;
	return true;
}

enum imap_special
imap_special_find(struct str name)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (str_eq_nocase(uses[i].name, name))
			return uses[i].bit;
	return IMAP_SPECIAL_NONE;
}
