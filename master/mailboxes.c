/* SPDX-License-Identifier: ISC */
/* Opening mailboxes: one process per account, one descriptor per session or delivery channel. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "master/master.h"

static void
answer_done(struct child *asker, uint64_t id, enum ipc_result result)
{
	ipc_send_done(asker->ch, id, &(struct ipc_done){ .result = (uint8_t)result });
}

static void
refuse(struct child *asker, uint64_t id, enum ipc_result result)
{
	ipc_send_mailbox_refused(
	    asker->ch, id, &(struct ipc_mailbox_refused){ .result = (uint8_t)result });
}

static void
send_limits(struct child *mailbox, uint64_t bytes, uint64_t messages)
{
	ipc_send_mailbox_limits(mailbox->ch, 0,
	    &(struct ipc_mailbox_limits){ .quota_bytes = bytes, .quota_messages = messages });
}

/* What accounts opens knows the account's limits before its first byte comes. */
static void
attach(struct child *mailbox, struct child *asker, uint64_t id, const struct ipc_mailbox_open *m)
{
	int sv[2];

	if (ipc_pair(sv) < 0) {
		log_error(NULL, "socketpair reason=\"%s\"", strerror(errno));
		refuse(asker, id, IPC_TEMP);
		return;
	}
	mailbox->attached++;
	if (asker->proc == PROC_accounts)
		send_limits(mailbox, m->quota_bytes, m->quota_messages);
	ipc_send_mailbox_attach(
	    mailbox->ch, 0, &(struct ipc_mailbox_attach){ .purpose = m->purpose }, sv[0]);
	ipc_send_mailbox_opened(asker->ch, id, &(struct ipc_mailbox_opened){ 0 }, sv[1]);
}

static void
account_name(char name[16], uint32_t account)
{
	snprintf(name, 16, "%u", account);
}

/* The directory is made by mailbox_create only: no directory, no such account. */
static bool
account_exists(struct master *m, uint32_t account)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "mail/%u", account);
	return fstatat(m->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void
wait_for_mailbox(
    struct child *mailbox, struct child *asker, uint64_t id, const struct ipc_mailbox_open *m)
{
	struct open_request *r;

	if (mailbox->opens_n >= OPENS_PENDING_MAX) {
		refuse(asker, id, IPC_TEMP);
		return;
	}
	r = xcalloc(1, sizeof(*r));
	*r = (struct open_request){ .asker = asker->serial, .id = id, .what = *m };
	STAILQ_INSERT_TAIL(&mailbox->opens, r, link);
	mailbox->opens_n++;
}

void
mailbox_open(struct child *asker, uint64_t id, const struct ipc_mailbox_open *what)
{
	struct master *m = asker->m;
	struct child *mailbox = child_find(m, PROC_mailbox, what->account);
	/* Only the queue delivers, only accounts opens for a login or an administrator. */
	bool allowed =
	    what->purpose <= IPC_MAILBOX_COMMAND &&
	    asker->proc == (what->purpose == IPC_MAILBOX_DELIVER ? PROC_queue : PROC_accounts);

	if (!allowed) {
		log_error(NULL, "mailbox-open-denied program=%s", proc_rows[asker->proc].name);
		refuse(asker, id, IPC_DENIED);
	} else if (m->stopping) {
		refuse(asker, id, IPC_TEMP);
	} else if (mailbox != NULL && mailbox->state == CHILD_UP) {
		attach(mailbox, asker, id, what);
	} else if (mailbox != NULL) {
		wait_for_mailbox(mailbox, asker, id, what);
	} else if (what->account == 0 || !account_exists(m, what->account)) {
		refuse(asker, id, IPC_NO);
	} else {
		mailbox = child_new(m, PROC_mailbox, what->account);
		wait_for_mailbox(mailbox, asker, id, what);
		child_event(mailbox, EV_START);
	}
}

static struct open_request *
pop(struct child *mailbox)
{
	struct open_request *r = STAILQ_FIRST(&mailbox->opens);

	if (r != NULL) {
		STAILQ_REMOVE_HEAD(&mailbox->opens, link);
		mailbox->opens_n--;
	}
	return r;
}

void
mailbox_attach_waiting(struct child *mailbox)
{
	struct open_request *r;

	while ((r = pop(mailbox)) != NULL) {
		struct child *asker = child_by_serial(mailbox->m, r->asker);

		if (asker != NULL && child_alive(asker))
			attach(mailbox, asker, r->id, &r->what);
		free(r);
	}
}

void
mailbox_refuse_waiting(struct child *mailbox, enum ipc_result result)
{
	struct open_request *r;

	while ((r = pop(mailbox)) != NULL) {
		struct child *asker = child_by_serial(mailbox->m, r->asker);

		if (asker != NULL && child_alive(asker))
			refuse(asker, r->id, result);
		free(r);
	}
}

/* After a crash at its start the waiting ones are answered, so that nobody waits for ever. */
bool
mailbox_wanted(const struct child *mailbox)
{
	if (mailbox->state == CHILD_STARTING && mailbox->restarts >= 3)
		return false;
	return !STAILQ_EMPTY(&mailbox->opens);
}

void
mailbox_idle(struct child *mailbox, uint64_t attached)
{
	/* It counted fewer than were sent: one is on its way, it must stay. */
	if (mailbox->proc == PROC_mailbox && mailbox->state == CHILD_UP &&
	    attached == mailbox->attached)
		child_event(mailbox, EV_STOP);
}

void
mailbox_create(struct child *asker, uint64_t id, uint32_t account)
{
	struct master *m = asker->m;
	int mail = openat(m->dir, "mail", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd;
	char name[16];
	enum ipc_result result = IPC_OK;

	account_name(name, account);
	if (mail < 0 || account == 0 ||
	    (fd = instance_subdir(m, mail, name, instance_uid(m, PROC_mailbox, account))) < 0) {
		log_error(
		    NULL, "mailbox-create account=%u reason=\"%s\"", account, strerror(errno));
		result = IPC_TEMP;
	} else {
		if (fsync(fd) < 0 || fsync(mail) < 0)
			result = IPC_TEMP;
		close(fd);
	}
	if (mail >= 0)
		close(mail);
	answer_done(asker, id, result);
}

static void
stop_mailbox(struct master *m, uint32_t account)
{
	struct child *mailbox = child_find(m, PROC_mailbox, account);

	if (mailbox == NULL || mailbox->pid <= 0)
		return;
	mailbox->doomed = true;
	kill(mailbox->pid, SIGKILL);
}

/* A rename is on stable storage when both directories are. */
static int
sync_directory(struct master *m, const char *name)
{
	int fd = openat(m->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	return r;
}

/* Mail is not deleted at once: it is moved to DIR/removed, where the administrator finds it. */
void
mailbox_remove(struct child *asker, uint64_t id, uint32_t account)
{
	struct master *m = asker->m;
	char from[32], to[48];
	enum ipc_result result = IPC_OK;

	stop_mailbox(m, account);
	snprintf(from, sizeof(from), "mail/%u", account);
	snprintf(to, sizeof(to), "removed/%u", account);
	if (mkdirat(m->dir, "removed", 0700) < 0 && errno != EEXIST)
		result = IPC_TEMP;
	else if (renameat(m->dir, from, m->dir, to) < 0 && errno != ENOENT)
		result = IPC_TEMP;
	else if (sync_directory(m, "removed") < 0 || sync_directory(m, "mail") < 0 ||
		 fsync(m->dir) < 0)
		result = IPC_TEMP;
	if (result != IPC_OK)
		log_error(
		    NULL, "mailbox-remove account=%u reason=\"%s\"", account, strerror(errno));
	answer_done(asker, id, result);
}

void
mailbox_kick(struct child *asker, uint64_t id, uint32_t account)
{
	struct child *mailbox = child_find(asker->m, PROC_mailbox, account);

	/* Orderly, so that nothing that was written needs a recovery. Who waits was let in before the
	 * change that this is about: it must not find the next process. */
	if (mailbox != NULL) {
		mailbox_refuse_waiting(mailbox, IPC_TEMP);
		child_event(mailbox, EV_STOP);
	}
	answer_done(asker, id, IPC_OK);
}

/* With the account that master knows: a mailbox speaks for itself only. */
static void
tell_usage(struct child *mailbox, struct child *accounts)
{
	ipc_send_mailbox_holds(accounts->ch, 0,
	    &(struct ipc_mailbox_holds){ .account = mailbox->instance,
		.bytes = mailbox->usage_bytes,
		.messages = mailbox->usage_messages });
}

void
mailbox_usage(struct child *mailbox, uint64_t bytes, uint64_t messages)
{
	struct child *accounts = child_find(mailbox->m, PROC_accounts, 0);

	if (mailbox->proc != PROC_mailbox) {
		log_error(NULL, "mailbox-usage-denied program=%s", proc_rows[mailbox->proc].name);
		return;
	}
	mailbox->usage_said = true;
	mailbox->usage_bytes = bytes;
	mailbox->usage_messages = messages;
	if (accounts != NULL && accounts->state == CHILD_UP)
		tell_usage(mailbox, accounts);
}

void
mailbox_usage_all(struct child *accounts)
{
	struct child *c;

	TAILQ_FOREACH(c, &accounts->m->children, link)
		if (c->proc == PROC_mailbox && c->usage_said)
			tell_usage(c, accounts);
}

/* To one that only starts nothing is sent: at its start it says what it holds, and is answered. */
void
mailbox_limit(struct child *asker, const struct ipc_mailbox_limit *m)
{
	struct child *mailbox = child_find(asker->m, PROC_mailbox, m->account);

	if (asker->proc != PROC_accounts)
		log_error(NULL, "mailbox-limit-denied program=%s", proc_rows[asker->proc].name);
	else if (mailbox != NULL && mailbox->state == CHILD_UP)
		send_limits(mailbox, m->quota_bytes, m->quota_messages);
}
