/* SPDX-License-Identifier: ISC */
#include "reception/tlds.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/xalloc.h"

enum { LABEL_MAX = 63 }; /* rfc1035:2.3.4 */

struct tlds {
	char *text;         /* the file, in lower case, a NUL behind each name */
	const char **names; /* in it, sorted */
	size_t n;
};

static const char *const built_in[] = {
#define TLD(name) name,
#include "reception/tld_table.h"
};

/* --- one list ----------------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
is_label(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= LABEL_MAX && s[0] != '-' &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

/* Cuts the text into names; false: something else stands there. */
static bool
read_names(struct tlds *t)
{
	char *rest = t->text, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t n = strcspn(line, "\r#");

		while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
			n--;
		line[n] = '\0';
		if (n == 0)
			continue;
		if (!is_label(line))
			return false;
		t->names[t->n++] = line;
	}
	return true;
}

struct tlds *
tlds_parse(struct str text, const char **why)
{
	struct tlds *t = xcalloc(1, sizeof(*t));

	t->text = xstrndup(text.p, text.n);
	for (char *p = t->text; *p != '\0'; p++)
		*p = (char)ascii_tolower((unsigned char)*p);
	t->names = xcalloc(text.n / 2 + 1, sizeof(*t->names));
	*why = NULL;
	if (strlen(t->text) != text.n || !read_names(t))
		*why = "there is something else than names in it";
	else if (t->n < TLDS_LEAST)
		*why = "these are too few to be all";
	if (*why != NULL)
		tlds_free(&t);
	else
		qsort(t->names, t->n, sizeof(*t->names), by_name);
	return t;
}

void
tlds_free(struct tlds **tp)
{
	struct tlds *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	free(t->names);
	free(t->text);
	free(t);
}

/* --- who is in it ------------------------------------------------------------------------------- */

static int
compare(const void *key, const void *entry)
{
	const struct str *label = key;
	const char *tld = *(const char *const *)entry;
	int r = strncasecmp(label->p, tld, label->n);

	return r != 0 ? r : tld[label->n] == '\0' ? 0 : -1;
}

static bool
is_among(struct str label, struct str words)
{
	for (struct str rest = str_trim(words); rest.n > 0; rest = str_trim(rest)) {
		ptrdiff_t end = str_chr(rest, ' ');
		size_t n = end < 0 ? rest.n : (size_t)end;

		if (str_eq_nocase(label, str_from(rest.p, n)))
			return true;
		rest = str_from(rest.p + n, rest.n - n);
	}
	return false;
}

bool
tlds_know(const struct tlds *t, struct str label, struct str more)
{
	const char *const *names = t != NULL ? t->names : built_in;
	size_t n = t != NULL ? t->n : sizeof(built_in) / sizeof(built_in[0]);

	return label.n > 0 && memchr(label.p, '\0', label.n) == NULL &&
	       (bsearch(&label, names, n, sizeof(*names), compare) != NULL ||
		   is_among(label, more));
}
