/* SPDX-License-Identifier: ISC */
/* postern setup: the first instance of a machine, from answers on the console or in a file. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin.h"
#include "answers/answers.h"
#include "base/xalloc.h"
#include "catalogue/catalogue.h"
#include "config/config.h"

enum { TEXT_MAX = 16 << 10 };

/* --- asking ------------------------------------------------------------------------------------------- */

static int
language_of(const struct answers *q)
{
	return strcmp(q->value[ANSWER_language], "de") == 0;
}

/* A line of the answer, or the default for an empty one. -1: no more input. */
static int
read_answer(const struct answers *q, enum answer_id id, struct buf *line)
{
	const struct answer_row *row = answer_row(id);
	char prompt[256];
	int c;

	snprintf(prompt, sizeof(prompt), "%s%s%s%s: ", row->question[language_of(q)],
	    row->def[0] ? " [" : "", row->def, row->def[0] ? "]" : "");
	buf_clear(line);
	if (id == ANSWER_password)
		return password_line(prompt, line);
	fprintf(stderr, "%s", prompt);
	while ((c = getchar()) != EOF && c != '\n')
		if (c != '\r' && buf_putc(line, c) < 0)
			break;
	if (c == EOF && buf_len(line) == 0)
		return -1;
	if (buf_len(line) == 0)
		buf_puts(line, row->def);
	return 0;
}

/* The same password once more, when somebody types it. */
static int
same_again(const struct answers *q, struct str first, bool *same)
{
	struct buf again;
	int r = 0;

	*same = true;
	if (!isatty(0))
		return 0;
	buf_init(&again, ANSWER_MAX + 1);
	r = password_line(answer_text(SAY_AGAIN, language_of(q)), &again);
	*same = str_eq(first, str_from(buf_data(&again), buf_len(&again)));
	if (!*same)
		fprintf(stderr, "%s\n", answer_text(SAY_DIFFERENT, language_of(q)));
	buf_free_secret(&again);
	return r;
}

/* Until the answer is good. -1: no more input. */
static int
ask_one(struct answers *q, enum answer_id id)
{
	bool fixed = id == ANSWER_gateway || id == ANSWER_dns, good = false;
	struct buf line;
	int r = 0;

	buf_init(&line, 4 * ANSWER_MAX);
	while (!good && (r = read_answer(q, id, &line)) == 0) {
		struct str value = str_from(buf_data(&line), buf_len(&line));
		const char *why;

		value = id == ANSWER_password ? value : str_trim(value);
		/* With a fixed address there is no other way to learn of these two. */
		why = answer_check(id, fixed && value.n == 0 ? STR("?") : value, language_of(q));
		good = why == NULL;
		if (!good)
			fprintf(stderr, "%s\n", why);
		else if (id == ANSWER_password && (r = same_again(q, value, &good)) < 0)
			break;
		if (good)
			answer_set(q, id, value);
	}
	buf_free_secret(&line);
	return good ? 0 : -1;
}

static int
ask_all(struct admin *a, struct answers *q)
{
	memset(q, 0, sizeof(*q));
	setvbuf(stdin, NULL, _IONBF, 0); /* the password is read past stdio */
	for (int i = 0; i < ANSWER__MAX; i++)
		if (answer_wanted(q, (enum answer_id)i) && ask_one(q, (enum answer_id)i) < 0)
			return admin_fail(a, "The input ended before all questions were answered; "
					     "nothing was changed.");
	return 0;
}

/* --- files of answers --------------------------------------------------------------------------------- */

static int
tell_faults(struct admin *a, const char *path, const struct buf *faults)
{
	char *first = xasprintf("%s: ", path);
	int status = admin_fail_lines(a, first, faults);

	free(first);
	return status;
}

static int
load(struct admin *a, const char *path, struct answers *q)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), status = 0;
	struct buf text, faults;
	ssize_t n = -1;
	uint8_t *room;

	buf_init(&text, ANSWERS_FILE_MAX + 1);
	buf_init(&faults, TEXT_MAX);
	room = buf_reserve(&text, ANSWERS_FILE_MAX + 1);
	if (fd < 0 || (n = read(fd, room, ANSWERS_FILE_MAX + 1)) < 0)
		status = admin_fail(a, "%s: %s", path, strerror(errno));
	else if (n > ANSWERS_FILE_MAX)
		status = admin_fail(a, "%s is larger than a file of answers may be.", path);
	else if (answers_parse(str_from(room, (size_t)n), q, &faults) < 0)
		status = tell_faults(a, path, &faults);
	if (fd >= 0)
		close(fd);
	buf_free_secret(&text);
	buf_free(&faults);
	return status;
}

static int
save(struct admin *a, const char *path, const struct answers *q)
{
	struct output *o;
	struct buf text;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good;

	if (fd < 0)
		return admin_fail(a, "%s: %s", path, strerror(errno));
	buf_init(&text, ANSWERS_FILE_MAX);
	answers_print(q, &text);
	good =
	    write(fd, buf_data(&text), buf_len(&text)) == (ssize_t)buf_len(&text) && fsync(fd) == 0;
	close(fd);
	buf_free_secret(&text);
	if (!good) {
		unlink(path);
		return admin_fail(a, "%s cannot be written.", path);
	}
	o = output_new(a->command, a->json);
	return output_end(&o, IPC_OK, STR("The answers are saved."));
}

/* --- what to publish ---------------------------------------------------------------------------------- */

/* The value is one or two texts, the second a name that gets the dot of a full one. */
static void
record(struct output *o, const char *name, const char *type, const char *value, const char *host)
{
	char *text = host ? xasprintf("%s%s.", value, host) : xstrdup(value);

	output_cells(o, 3, (const char *const[]){ name, type, text });
	free(text);
}

static void
address_record(struct output *o, const char *host, const struct sockaddr *sa)
{
	char text[INET6_ADDRSTRLEN + 1];
	bool six = sa->sa_family == AF_INET6;

	if (getnameinfo(sa, six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), text,
		sizeof(text), NULL, 0, NI_NUMERICHOST) == 0 &&
	    strchr(text, '%') == NULL) /* link-local: nobody else reaches it */
		record(o, host, six ? "AAAA" : "A", text, NULL);
}

/* All addresses of the machine of that family, but those of its own loopback. */
static void
interface_records(struct output *o, const char *host, int family)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL && i->ifa_addr->sa_family == family &&
		    !(i->ifa_flags & IFF_LOOPBACK))
			address_record(o, host, i->ifa_addr);
	freeifaddrs(all);
}

static void
address_records(struct output *o, const char *host, const struct settings *s)
{
	struct str item;

	for (size_t it = 0; settings_list_next(s, SET_general_listen, &it, &item);) {
		struct sockaddr_storage ss;
		socklen_t len;

		if (str_eq(item, STR("0.0.0.0")))
			interface_records(o, host, AF_INET);
		else if (str_eq(item, STR("::")))
			interface_records(o, host, AF_INET6);
		else if (settings_addr(item, 0, &ss, &len) == 0)
			address_record(o, host, (struct sockaddr *)&ss);
	}
}

static void
records(struct output *o, const struct settings *s)
{
	const char *domain = settings_text(s, SET_general_domain),
		   *host = settings_text(s, SET_general_hostname);
	static const char *const services[][2] = { { "_submissions._tcp", "0 1 465 " },
		{ "_submission._tcp", "0 2 587 " }, { "_imaps._tcp", "0 1 993 " },
		{ "_imap._tcp", "0 2 143 " } };
	char *root = xasprintf("%s.", domain), *name = xasprintf("%s.", host);

	address_records(o, name, s);
	record(o, root, "MX", "10 ", host);
	record(o, root, "TXT", "\"v=spf1 mx -all\"", NULL);
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		char *service = xasprintf("%s.%s.", services[i][0], domain);

		record(o, service, "SRV", services[i][1], host);
		free(service);
	}
	free(root);
	free(name);
}

/* What a telephone needs, to look at with its camera while somebody types: there is no page yet that it
 * could be sent to. */
static void
for_telephones(const struct settings *s, int lang)
{
	const char *host = settings_text(s, SET_general_hostname);
	char *text = xasprintf("IMAP %s:993 TLS\nSMTP %s:465 TLS", host, host);

	printf("\n%s\n", answer_text(SAY_TELEPHONES, lang));
	if (qr_print(text) < 0)
		printf("%s\n", text);
	free(text);
}

/* With the name of the machine wherever the text speaks of it. */
static void
put_advice(struct buf *to, const char *text, const char *host)
{
	static const char hole[] = "{host}";
	const char *at;

	for (; (at = strstr(text, hole)) != NULL; text = at + sizeof(hole) - 1) {
		buf_put(to, text, (size_t)(at - text));
		buf_puts(to, host);
	}
	buf_puts(to, text);
}

static int
summary(struct admin *a, const char *first, int lang)
{
	char *path = xasprintf("%s/postern.conf", a->dir);
	struct settings *s = NULL;
	struct buf errors, text;
	struct output *o;
	int status;

	buf_init(&errors, TEXT_MAX);
	buf_init(&text, TEXT_MAX);
	if (config_load(path, &s, &errors) < 0) {
		status = admin_fail_lines(a, "", &errors);
	} else {
		o = output_new(a->command, a->json);
		records(o, s);
		buf_puts(&text, first);
		put_advice(
		    &text, answer_text(SAY_PUBLISH, lang), settings_text(s, SET_general_hostname));
		status = output_end(&o, IPC_OK, str_from(buf_data(&text), buf_len(&text)));
		if (!a->json && isatty(STDOUT_FILENO))
			for_telephones(s, lang);
	}
	settings_free(&s);
	buf_free(&errors);
	buf_free(&text);
	free(path);
	return status;
}

/* --- the instance ------------------------------------------------------------------------------------- */

/* All addresses of the families that the machine has: of a machine that is set up for mail, all are meant. */
static const char *
listen_addresses(const char *network)
{
	if (strchr(network, ':') == NULL) /* dhcp, too */
		return "0.0.0.0";
	return strchr(network, '.') ? "0.0.0.0 ::" : "::";
}

static int
make(struct admin *a, const struct answers *q)
{
	struct settings *s = settings_new();
	const char *why = "";
	int status;

	if (settings_set(s, SET_general_domain, q->value[ANSWER_domain], &why) < 0 ||
	    settings_set(s, SET_general_hostname, q->value[ANSWER_hostname], &why) < 0)
		status = admin_fail(a, "The name %s", why);
	else if (settings_set(
		     s, SET_general_listen, listen_addresses(q->value[ANSWER_network]), &why) < 0)
		status = admin_fail(a, "The address %s", why);
	else
		status = init_instance(a, s);
	settings_free(&s);
	return status;
}

/* The instance in a process of its own, until it is ready. Its pid; -1: it did not start. */
static pid_t
start(struct admin *a)
{
	char line[16];
	int ends[2];
	ssize_t n = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		_exit(admin_run(a));
	}
	close(ends[1]);
	n = read(ends[0], line, sizeof(line));
	close(ends[0]);
	if (n >= 5 && memcmp(line, "ready", 5) == 0)
		return pid;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return -1;
}

static void
no_rows(void *arg, struct str cells)
{
	(void)arg;
	(void)cells;
}

static int
first_account(struct admin *a, const struct answers *q)
{
	pid_t pid = start(a);
	char *address, *argv[1];
	struct buf message;
	enum ipc_result r;
	int status = 0;

	if (pid < 0)
		return admin_fail(a,
		    "The instance is made in %s but did not start, so it has no account yet. When the "
		    "reason above is gone: postern run, then postern user add.",
		    a->dir);
	address = xasprintf("%s@%s", q->value[ANSWER_admin], q->value[ANSWER_domain]);
	argv[0] = address;
	buf_init(&message, 4096);
	r = admin_call(a->dir, CMD_user_add, 1, argv, str_of(q->value[ANSWER_password]), no_rows,
	    NULL, &message);
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r != IPC_OK)
		status = admin_fail(a, "The account %s was not made: %.*s", address,
		    (int)buf_len(&message), (const char *)buf_data(&message));
	buf_free(&message);
	free(address);
	return status;
}

static int
whole(struct admin *a, const struct answers *q)
{
	int status;

	if ((status = make(a, q)) != 0 || (status = first_account(a, q)) != 0)
		return status;
	return summary(a, answer_text(SAY_READY, language_of(q)), language_of(q));
}

int
admin_setup(struct admin *a)
{
	struct command_line line;
	static struct answers q;
	const char *file;
	int status, lang;

	if (command_parse(a->command, a->argc, (const char *const *)a->argv, &line) < 0)
		return 1;
	if ((lang = prose_language(&line, &status)) < 0)
		return status;
	if (line.option[OPTION_summary] != NULL)
		return summary(a, "", lang);
	if ((file = line.option[OPTION_check]) != NULL) {
		struct output *o;

		if ((status = load(a, file, &q)) != 0)
			return status;
		o = output_new(a->command, a->json);
		return output_end(&o, IPC_OK, STR("All answers are good."));
	}
	if ((file = line.option[OPTION_answers]) != NULL)
		status = load(a, file, &q);
	else
		status = ask_all(a, &q);
	if (status == 0 && line.option[OPTION_save] != NULL)
		status = save(a, line.option[OPTION_save], &q);
	else if (status == 0)
		status = whole(a, &q);
	explicit_bzero(&q, sizeof(q));
	return status;
}
