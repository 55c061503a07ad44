/* SPDX-License-Identifier: ISC */
/* postern policy */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "policy/policy.h"

enum { ERRORS_MAX = 16 << 10 };

static const char *
title(const char *service, enum language lang)
{
	static const char *const smtp[LANG__COUNT] = { "Mail from other servers (port 25)",
		"Mail von anderen Servern (Port 25)" };
	static const char *const users[LANG__COUNT] = { "Mail of users (ports 465 and 587)",
		"Mail von Benutzern (Ports 465 und 587)" };

	return strcmp(service, "smtp") == 0 ? smtp[lang] : users[lang];
}

static void
print(const struct settings *s, enum language lang, struct output *o)
{
	const struct policy_check *c;
	const char *service = "";

	for (unsigned i = 0; (c = policy_check(i)) != NULL; i++) {
		struct buf text;
		const char *cells[] = { c->service, c->name, c->setting, "" };

		if (!policy_active(c, s))
			continue;
		buf_init(&text, POLICY_TEXT_MAX);
		(void)policy_text(&text, c, s, lang);
		buf_putc(&text, '\0');
		cells[3] = (const char *)buf_data(&text);
		if (o != NULL) {
			output_cells(o, 4, cells);
		} else {
			if (strcmp(service, c->service) != 0)
				printf("%s%s\n\n", *service != '\0' ? "\n" : "",
				    title(c->service, lang));
			prose("  - ", cells[3]);
		}
		service = c->service;
		buf_free(&text);
	}
}

int
admin_policy(struct admin *a)
{
	char *path = xasprintf("%s/postern.conf", a->dir);
	struct settings *s = NULL;
	struct command_line line;
	struct output *o;
	struct buf errors;
	int status = 0, lang;

	buf_init(&errors, ERRORS_MAX);
	command_parse(a->command, a->argc, (const char *const *)a->argv, &line);
	if ((lang = prose_language(&line, &status)) < 0) {
		;
	} else if (config_load(path, &s, &errors) < 0) {
		status =
		    admin_fail(a, "%.*s", (int)buf_len(&errors), (const char *)buf_data(&errors));
	} else {
		o = a->json ? output_new(a->command, true) : NULL;
		print(s, (enum language)lang, o);
		status = o != NULL ? output_end(&o, IPC_OK, STR("")) : 0;
		settings_free(&s);
	}
	buf_free(&errors);
	free(path);
	return status;
}
