/* SPDX-License-Identifier: ISC */
/* What queue asks and is told: targets of addresses, rights of senders, doors of logins. */
#include <unistd.h>

#include "accounts/service_priv.h"
#include "base/log.h"
#include "base/map.h"

static struct str
text_of(const struct buf *b)
{
	return str_from(buf_len(b) ? (const char *)buf_data(b) : "", buf_len(b));
}

static void
put_remotes(struct buf *out, const struct resolved *found)
{
	for (unsigned i = 0; i < found->remotes; i++) {
		(void)buf_put(out, found->remote[i].p, found->remote[i].n);
		(void)buf_putc(out, 0);
	}
}

static void
on_address_expand(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_expand *m, int fd)
{
	struct peer *peer = arg;
	struct buf accounts, remote;
	struct resolved found;
	enum ipc_result r;

	(void)fd;
	r = service_resolve(peer->s, m->address, &found);
	buf_init(&accounts, sizeof(found.accounts));
	buf_init(&remote, (size_t)ALIAS_TARGETS_MAX * ADDRESS_TEXT_SIZE);
	if (r == IPC_OK) {
		service_put_accounts(&accounts, &found);
		put_remotes(&remote, &found);
	}
	ipc_send_address_targets(ch, id,
	    &(struct ipc_address_targets){ .result = (uint8_t)r,
		.list = r == IPC_OK && found.list,
		.full = r == IPC_OK && usage_refuses(peer->s, &found),
		.accounts = text_of(&accounts),
		.remote = text_of(&remote) });
	buf_free(&accounts);
	buf_free(&remote);
}

static void
on_sender_check(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_check *m, int fd)
{
	struct peer *peer = arg;
	const struct directory *d = store_directory(peer->s->store);
	const struct account *a = directory_by_id(d, m->account);
	enum ipc_result r = a ? directory_may_send(d, a, m->address) : IPC_DENIED;

	(void)fd;
	ipc_send_sender_is(ch, id, &(struct ipc_sender_is){ .result = (uint8_t)r });
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(address_expand, on_address_expand),
	IPC_ON(sender_check, on_sender_check),
};
const struct ipc_ops doors_ops = { .handlers = handlers, .on_close = service_on_close };

/* The youngest: an older one may be on its way to be closed. */
static struct peer *
queue_peer(struct service *s)
{
	struct peer *peer;

	LIST_FOREACH(peer, &s->peers, link)
		if (ipc_channel_kind(peer->ch) == IPC_CH_accounts_queue)
			return peer;
	return NULL;
}

static void
send_kick(struct peer *peer, uint32_t account)
{
	ipc_send_door_kick(peer->ch, 0, &(struct ipc_door_kick){ .account = account });
}

void
doors_peer(struct service *s, struct peer *peer)
{
	uint64_t account;
	size_t it = 0;

	ipc_send_forward_key(
	    peer->ch, 0, &(struct ipc_forward_key){ .key = store_forward_key(s->store) });
	while (map_next(s->kicks, &it, &account) != NULL)
		send_kick(peer, (uint32_t)account);
	map_free(&s->kicks);
	s->kicks = map_new();
}

enum ipc_result
doors_open(struct service *s, const struct account *a, int *fd)
{
	struct peer *peer = queue_peer(s);
	int pair[2], rc;

	*fd = -1;
	if (peer == NULL)
		return IPC_TEMP;
	if ((rc = ipc_pair(pair)) != 0) {
		log_warn(NULL, "door account=%u failed errno=%d", a->id, -rc);
		return IPC_TEMP;
	}
	ipc_send_door_bind(peer->ch, 0,
	    &(struct ipc_door_bind){ .account = a->id, .login = str_of(a->address) }, pair[0]);
	*fd = pair[1];
	return IPC_OK;
}

void
doors_kick(struct service *s, uint32_t account)
{
	struct peer *peer = queue_peer(s);

	if (peer)
		send_kick(peer, account);
	else /* the channel may come back to a queue that still has its doors */
		(void)map_put(s->kicks, account, s);
}
