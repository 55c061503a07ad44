/* SPDX-License-Identifier: ISC */
/* postern trace */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "admin/admin.h"
#include "base/xalloc.h"
#include "catalogue/event.h"

/* A line of the answer. Those of one message stand together, under the id of its session. */
struct step {
	STAILQ_ENTRY(step) link;
	char *line; /* as event_parse takes it */
	struct event_line e;
	char story[32]; /* the id that it is told under */
	bool told;
};

struct story {
	STAILQ_HEAD(, step) steps;
	enum language lang;
	struct output *out; /* of --json */
};

static struct str
cell(struct str *cells)
{
	struct str one = STR("");

	(void)command_cell_next(cells, &one);
	return one;
}

/* The session that brought the message of this id, if its line is here; else the id itself. Processes send their
 * lines a little later, so that line may stand behind. */
static void
find_story(const struct story *all, struct step *new)
{
	struct step *s;

	snprintf(new->story, sizeof(new->story), "%.*s", STRF(new->e.id));
	STAILQ_FOREACH(s, &all->steps, link) {
		if (!str_eq(s->e.event, STR("accepted")) ||
		    !str_eq(event_value(&s->e, STR("queue")), new->e.id))
			continue;
		snprintf(new->story, sizeof(new->story), "%.*s", STRF(s->e.id));
		return;
	}
}

static void
on_row(void *arg, struct str cells)
{
	struct story *all = arg;
	struct str when = cell(&cells), program = cell(&cells), id = cell(&cells),
		   rest = cell(&cells);
	struct step *s = xcalloc(1, sizeof(*s));

	s->line = xasprintf(
	    "%.*s %.*s[0] info %.*s %.*s", STRF(when), STRF(program), STRF(id), STRF(rest));
	if (!event_parse(str_of(s->line), &s->e)) {
		free(s->line);
		free(s);
		return;
	}
	STAILQ_INSERT_TAIL(&all->steps, s, link);
}

static void
tell(const struct story *all, const struct step *s)
{
	char first[32], cells[5][EVENT_TEXT_MAX];
	const char *pointers[5] = { cells[0], cells[1], cells[2], cells[3], cells[4] };
	const struct str parts[4] = { s->e.time, s->e.id, s->e.program, s->e.event };
	struct buf text;

	buf_init(&text, EVENT_TEXT_MAX - 1);
	(void)event_text(&text, &s->e, all->lang);
	for (unsigned i = 0; i < 4; i++)
		snprintf(cells[i], sizeof(cells[i]), "%.*s", STRF(parts[i]));
	snprintf(
	    cells[4], sizeof(cells[4]), "%.*s", (int)buf_len(&text), (const char *)buf_data(&text));
	buf_free(&text);
	if (all->out != NULL) {
		output_cells(all->out, 5, pointers);
		return;
	}
	/* 2026-11-28T16:55:59.123456Z -> 16:55:59 */
	snprintf(
	    first, sizeof(first), "  %.8s  ", strlen(cells[0]) > 19 ? cells[0] + 11 : cells[0]);
	prose(first, cells[4]);
}

/* Story by story, in the order in which they begin. */
static void
tell_all(struct story *all)
{
	struct step *first, *s;
	bool any = false;

	STAILQ_FOREACH(s, &all->steps, link)
		find_story(all, s);
	STAILQ_FOREACH(first, &all->steps, link) {
		if (first->told)
			continue;
		if (all->out == NULL)
			printf(
			    "%s%s, %.10s (UTC)\n", any ? "\n" : "", first->story, first->e.time.p);
		any = true;
		for (s = first; s != NULL; s = STAILQ_NEXT(s, link)) {
			if (strcmp(s->story, first->story) != 0)
				continue;
			tell(all, s);
			s->told = true;
		}
	}
}

static void
forget(struct story *all)
{
	struct step *s;

	while ((s = STAILQ_FIRST(&all->steps)) != NULL) {
		STAILQ_REMOVE_HEAD(&all->steps, link);
		free(s->line);
		free(s);
	}
}

/* Domains stand in lower case in the log; brackets of an address or Message-ID do not stand there. */
static char *
word_of(const char *arg)
{
	size_t n = strlen(arg);
	char *word =
	    arg[0] == '<' && n > 2 && arg[n - 1] == '>' ? xstrndup(arg + 1, n - 2) : xstrdup(arg);
	char *at = strrchr(word, '@');

	for (; at != NULL && *at != '\0'; at++)
		*at = (char)ascii_tolower((unsigned char)*at);
	return word;
}

int
admin_trace(struct admin *a)
{
	struct story all = { .lang = LANG_EN };
	struct command_line line;
	struct output *o;
	struct buf message;
	enum ipc_result result;
	char *word;
	int status = 0, lang;

	command_parse(a->command, a->argc, (const char *const *)a->argv, &line);
	if ((lang = prose_language(&line, &status)) < 0)
		return status;
	all.lang = (enum language)lang;
	STAILQ_INIT(&all.steps);
	o = output_new(a->command, a->json);
	all.out = a->json ? o : NULL;
	buf_init(&message, 4096);
	word = word_of(line.args[0]);
	result = admin_call(a->dir, CMD_trace, 1, &word, STR(""), on_row, &all, &message);
	tell_all(&all);
	status = output_end(&o, result, str_from(buf_data(&message), buf_len(&message)));
	buf_free(&message);
	free(word);
	forget(&all);
	return status;
}
