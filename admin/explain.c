/* SPDX-License-Identifier: ISC */
/* postern explain */
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "catalogue/catalogue.h"

/* What is asked for: a number, with or without the P before it, or a name; all when both are empty. */
struct wanted {
	uint64_t product;
	struct str name;
};

static void
read_wanted(const char *word, struct wanted *w)
{
	struct str s = str_of(word);

	*w = (struct wanted){ .product = 0 };
	if (strcmp(word, "all") == 0)
		return;
	if (s.n > 1 && ascii_toupper((unsigned char)s.p[0]) == 'P' && s.p[1] >= '0' &&
	    s.p[1] <= '9')
		s = str_from(s.p + 1, s.n - 1);
	if (!str_u64(s, 9999, &w->product))
		w->name = s;
}

static bool
is_wanted(const struct wanted *w, const struct refusal *r)
{
	if (w->name.n > 0)
		return str_eq_nocase(w->name, str_of(r->name));
	return w->product == 0 || w->product == (uint64_t)r->product;
}

static void
print_one(const struct refusal *r, enum language lang)
{
	static const char *const who[LANG__COUNT] = { "  Who can act: ", "  Wer handeln kann: " };
	static const char *const what[LANG__COUNT] = { "  What to do: ", "  Was zu tun ist: " };

	printf("P%d  %d %s  %s\n", r->product, r->code, r->enhanced, r->name);
	prose("  ", r->text[lang]);
	prose(who[lang], refusal_party_text(r->party, lang));
	prose(what[lang], r->advice[lang]);
}

static void
row(struct output *o, const struct refusal *r, enum language lang)
{
	char product[16], code[16];
	const char *cells[] = { product, code, r->enhanced, r->name, r->text[lang],
		refusal_party_text(r->party, lang), r->advice[lang] };

	snprintf(product, sizeof(product), "P%d", r->product);
	snprintf(code, sizeof(code), "%d", r->code);
	output_cells(o, sizeof(cells) / sizeof(cells[0]), cells);
}

int
admin_explain(struct admin *a)
{
	struct command_line line;
	struct output *o;
	struct wanted w;
	unsigned found = 0;
	int status = 0, lang;

	command_parse(a->command, a->argc, (const char *const *)a->argv, &line);
	if ((lang = prose_language(&line, &status)) < 0)
		return status;
	read_wanted(line.args[0], &w);
	o = a->json ? output_new(a->command, true) : NULL;
	for (unsigned i = 0; i < REFUSAL__COUNT; i++) {
		const struct refusal *r = refusal_get((enum refusal_id)i);

		if (!is_wanted(&w, r))
			continue;
		if (o != NULL)
			row(o, r, (enum language)lang);
		else
			printf("%s", found > 0 ? "\n" : "");
		if (o == NULL)
			print_one(r, (enum language)lang);
		found++;
	}
	if (found > 0)
		return o != NULL ? output_end(&o, IPC_OK, STR("")) : 0;
	if (o != NULL)
		return output_end(
		    &o, IPC_NO, STR("There is no such code; \"all\" shows every one."));
	return admin_fail(
	    a, "There is no code %.40s; \"postern explain all\" shows every one.", line.args[0]);
}
