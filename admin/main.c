/* SPDX-License-Identifier: ISC */
/* postern(8) */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "admin/admin.h"
#include "base/log.h"

static const struct {
	enum command_id id;
	int (*run)(struct admin *);
} local_commands[] = {
	{ CMD_init, admin_init },
	{ CMD_run, admin_run },
	{ CMD_config_list, admin_config_list },
	{ CMD_config_get, admin_config_get },
	{ CMD_config_set, admin_config_set },
	{ CMD_config_check, admin_config_check },
	{ CMD_explain, admin_explain },
	{ CMD_policy, admin_policy },
	{ CMD_trace, admin_trace },
	{ CMD_setup, admin_setup },
	{ CMD_backup_key, admin_backup_key },
	{ CMD_backup, admin_backup },
	{ CMD_update, admin_update },
	{ CMD_update_confirm, admin_update_confirm },
	{ CMD_restore, admin_restore },
};

/*
 * Takes --dir, --json and --help out of the arguments, wherever they stand before a "--".
 * Returns 0, or an exit status.
 */
static int
global_options(struct admin *a, bool *help, int *argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--dir") == 0) {
			if (++i == *argc)
				return usage_error("--dir needs a directory");
			a->dir = argv[i];
		} else if (strcmp(argv[i], "--json") == 0) {
			a->json = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			*help = true;
		} else if (strcmp(argv[i], "--") == 0) {
			while (++i < *argc)
				argv[n++] = argv[i];
		} else {
			argv[n++] = argv[i];
		}
	}
	*argc = n;
	return 0;
}

static int
check_arguments(const struct admin *a)
{
	struct command_line line;

	if (a->id == CMD_init)
		return 0; /* has options of its own */
	if (command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0)
		return usage_error("%s; usage: postern %s %s", line.error, a->command->words,
		    a->command->arguments);
	return 0;
}

static int
carry_out(struct admin *a)
{
	for (size_t i = 0; i < sizeof(local_commands) / sizeof(local_commands[0]); i++)
		if (local_commands[i].id == a->id)
			return local_commands[i].run(a);
	return admin_remote(a);
}

int
main(int argc, char **argv)
{
	struct admin a = { .dir = ADMIN_DEFAULT_DIR };
	bool help = false;
	int used, r;

	log_open("postern", -1);
	argc--;
	argv++;
	if ((r = global_options(&a, &help, &argc, argv)) != 0)
		return r;
	if (argc == 1 && strcmp(argv[0], "--version") == 0) {
		printf("postern %s\n", POSTERN_VERSION);
		return 0;
	}
	if (argc == 0) {
		help_all();
		return help ? 0 : EXIT_USAGE;
	}
	a.id = command_find(argc, argv, &used);
	if (a.id == CMD_none)
		return help && help_group(argv[0]) ? 0 : unknown_command(argc, argv);
	a.command = command_get(a.id);
	a.argc = argc - used;
	a.argv = argv + used;
	if (help) {
		help_command(a.command);
		return 0;
	}
	if ((r = check_arguments(&a)) != 0)
		return r;
	return carry_out(&a);
}
