/* SPDX-License-Identifier: ISC */
/* Prints a table of the documentation from the list it is made from: docs/update runs it. */
#include <stdio.h>
#include <string.h>

#include "catalogue/catalogue.h"
#include "command/command.h"
#include "settings/settings.h"

/* --- markdown ------------------------------------------------------------------------------------ */

static void
messages(void)
{
	static const char *const what[] = {
#define IPC_CHANNEL(name, text) [IPC_CH_##name] = text,
#include "ipc/ipc_channels.h"
#undef IPC_CHANNEL
	};

	for (int ch = 0; ch < IPC_CH__MAX; ch++) {
		if (ch == IPC_CH_log)
			continue;
		printf("**%s**: %s\n\n", ipc_channel_name((enum ipc_channel_kind)ch), what[ch]);
		printf(
		    "| message | sent by | permitted in state | fd | once | answered by | at most |\n");
		printf("|---|---|---|---|---|---|---|\n");
		for (enum ipc_type t = IPC_none + 1; t < IPC__MAX; t++) {
			const struct ipc_row *r = ipc_row(t), *reply = ipc_row(r->reply);

			if ((int)r->channel != ch)
				continue;
			printf("| %s | %s |", r->name, r->from == IPC_CLIENT ? "client" : "server");
			if (r->states == IPC_ANY)
				printf(" any |");
			else
				printf("%s%s%s%s |", r->states & IPC_ST_NEW ? " new" : "",
				    r->states & IPC_ST_IDLE ? " idle" : "",
				    r->states & IPC_ST_OPEN ? " open" : "",
				    r->states & IPC_ST_BUSY ? " busy" : "");
			printf(" %s | %s | %s | %u |\n", r->fd ? "yes" : "", r->once ? "yes" : "",
			    reply ? reply->name : "", r->most);
		}
		printf("\n");
	}
}

enum { PROC_UID_ROOT = -1, PROC_UID_MAILBOX = -2 };

static void
process_row(const char *name, int uid, const char *dir, int stage, const char *what)
{
	char uids[32];

	if (uid == PROC_UID_ROOT)
		snprintf(uids, sizeof(uids), "root");
	else if (uid == PROC_UID_MAILBOX)
		snprintf(uids, sizeof(uids), "one per account");
	else
		snprintf(uids, sizeof(uids), "base + %d", uid);
	printf("| `%s` | %s | %s%s%s | %d | %s |\n", name, uids, *dir ? "`" : "", dir,
	    *dir ? "`" : "", stage, what);
}

static void
processes(void)
{
	printf("| process | uid | own directory | stopped in stage | what it does |\n");
	printf("|---|---|---|---|---|\n");
#define PROCESS(name, uid, dir, stage, what) process_row(#name, uid, dir, stage, what);
#include "proc/process_table.h"
	printf("\n| channel | server | client |\n|---|---|---|\n");
#define PEER(channel, server, client) printf("| %s | %s | %s |\n", #channel, #server, #client);
#include "proc/process_table.h"
	printf("| log | logger | every other process |\n");
	printf(
	    "| mailbox_session | mailbox | imapd, by a descriptor from master through accounts and "
	    "auth |\n");
	printf("| mailbox_deliver | mailbox | queue, by a descriptor from master |\n");
	printf("\n| service | port | process |\n|---|---|---|\n");
#define LISTENER(service, process, port) \
	printf("| %s | %s | %s |\n", #service, port ? #port : "`control.sock`", #process);
#include "proc/process_table.h"
	printf("\n");
}

static void
capabilities(void)
{
	enum { EVER, LOGIN };
	static const char *const where[] = { "also before login", "after login" };

	printf("| capability | announced | RFC | what it gives |\n|---|---|---|---|\n");
#define IMAP_CAP(id, name, when, rfc, what) \
	printf("| `%s` | %s | %s | %s |\n", name, where[when], rfc, what);
#include "imap/capability_table.h"
#undef IMAP_CAP
	printf("\n");
}

/* --- mdoc ---------------------------------------------------------------------------------------- */

/* A text as mdoc: each sentence begins a line, no line is longer than 78 bytes. */
static void
mdoc_text(const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > 0 && column + 1 + n > 78)
			column = 0, putchar('\n');
		if (column > 0)
			column++, putchar(' ');
		for (size_t i = 0; i < n; i++) {
			if (text[i] == '\\')
				putchar('\\'), putchar('e');
			else
				putchar(text[i]);
		}
		column += n;
		if (n > 0 && text[n - 1] == '.')
			column = 0, putchar('\n');
		text += n + (text[n] == ' ');
	}
	if (column > 0)
		putchar('\n');
}

static void
settings_mdoc(void)
{
	const char *section = "";

	for (int i = 0; i < SET__MAX; i++) {
		const struct setting_row *r = setting_row((enum setting)i);
		struct buf b;

		if (strcmp(section, r->section) != 0) {
			if (*section != '\0')
				printf(".El\n");
			section = r->section;
			printf(".Ss Section %s\n.Bl -tag -width Ds\n", section);
		}
		buf_init(&b, 1024);
		setting_describe((enum setting)i, &b);
		printf(".It Ic %s\n", r->key);
		mdoc_text(r->help);
		buf_puts(&b, r->def[0] != '\0' ? ";" : "; not set by default.");
		buf_putc(&b, '\0');
		printf("Value:\n");
		mdoc_text((const char *)buf_data(&b));
		if (r->def[0] != '\0')
			printf("default\n.Ql %s .\n", r->def);
		printf("%s\n", r->when == SW_RELOAD ? "A reload takes it over."
						    : "Takes effect at the next start.");
		buf_free(&b);
	}
	printf(".El\n");
}

static void
commands_mdoc(void)
{
	printf(".Bl -tag -width Ds\n");
	for (uint32_t id = CMD_none + 1; id < CMD__MAX; id++) {
		const struct command *c = command_get(id);

		printf(".It Ic %s", c->words);
		if (c->arguments[0] != '\0')
			printf(" Li %s", c->arguments);
		putchar('\n');
		mdoc_text(c->help);
		if (c->columns[0] != '\0')
			printf("Columns:\n.Li %s .\n", c->columns);
	}
	printf(".El\n");
}

static void
options_mdoc(void)
{
	printf(".Bl -tag -width Ds\n");
	for (unsigned o = 0; o < OPTION__MAX; o++) {
		const struct command_option_row *row = command_option((enum command_option)o);

		printf(".It Fl \\-%s", row->name);
		if (row->value[0] != '\0')
			printf(" Ar %s", row->value);
		printf(" Pq Li \\-\\-%s\n", row->group);
		mdoc_text(row->help);
	}
	printf(".El\n");
}

static void
refusals_mdoc(void)
{
	printf(".Bl -tag -width Ds\n");
	for (unsigned i = 0; i < REFUSAL__COUNT; i++) {
		const struct refusal *r = refusal_get((enum refusal_id)i);

		printf(".It Li P%d Pq %d %s, %s\n", r->product, r->code, r->enhanced, r->name);
		mdoc_text(r->text[LANG_EN]);
		printf(".Pp\n");
		mdoc_text(r->advice[LANG_EN]);
		printf(".Pp\nWho can act:\n");
		mdoc_text(refusal_party_text(r->party, LANG_EN));
	}
	printf(".El\n");
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} tables[] = {
		{ "messages", messages },
		{ "processes", processes },
		{ "capabilities", capabilities },
		{ "settings", settings_mdoc },
		{ "commands", commands_mdoc },
		{ "options", options_mdoc },
		{ "refusals", refusals_mdoc },
	};

	for (size_t i = 0; argc == 2 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(argv[1], tables[i].name) == 0) {
			tables[i].print();
			return 0;
		}
	}
	fprintf(stderr, "usage: tables "
			"messages|processes|capabilities|settings|commands|options|refusals\n");
	return 100;
}
