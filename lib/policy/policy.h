/* SPDX-License-Identifier: ISC */
/* Which checks a configuration makes, in words. */
#ifndef POSTERN_POLICY_POLICY_H
#define POSTERN_POLICY_POLICY_H

#include "catalogue/catalogue.h"
#include "settings/settings.h"

struct policy_check {
	const char *name, *service;
	const char *setting; /* "" : always active; several have spaces between */
	const char *off;
	const char *text[LANG__COUNT];
};

enum { POLICY_TEXT_MAX = 1024 };

/* The i-th row, from 0; NULL behind the last. */
const struct policy_check *policy_check(unsigned i);
bool policy_active(const struct policy_check *c, const struct settings *s);
/* Appends the text with the values of the settings. 0 or BUF_LIMIT. */
int policy_text(
    struct buf *out, const struct policy_check *c, const struct settings *s, enum language lang);

#endif
