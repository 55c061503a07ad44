/* SPDX-License-Identifier: ISC */
/* Encoders and decoders, all made from ipc_table.h. Integers travel least significant byte first. */
#include <assert.h>
#include <string.h>

#include "ipc/ipc.h"

static const char *const channel_names[] = {
#define IPC_CHANNEL(name, what) [IPC_CH_##name] = #name,
#include "ipc/ipc_channels.h"
#undef IPC_CHANNEL
};

const char *
ipc_channel_name(enum ipc_channel_kind kind)
{
	return kind < IPC_CH__MAX ? channel_names[kind] : "?";
}

#define FD true
#define NOFD false
#define ONCE true
#define MANY false
static const struct ipc_row rows[IPC__MAX] = {
#define IPC_BEGIN(n, ch, f, st, hasfd, o, r) \
	[IPC_##n] = { .name = #n, \
		.channel = IPC_CH_##ch, \
		.from = IPC_##f, \
		.states = (st), \
		.fd = (hasfd), \
		.once = (o), \
		.reply = IPC_##r, \
		.most = 0
#define IPC_U8(f) +1
#define IPC_U32(f) +4
#define IPC_U64(f) +8
#define IPC_STR(f, m) +4 + (m)
#define IPC_BYTES(f, m) +4 + (m)
#define IPC_END(n) \
	} \
	,
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
};

const struct ipc_row *
ipc_row(enum ipc_type type)
{
	return type > IPC_none && type < IPC__MAX ? &rows[type] : NULL;
}

/* --- encoding ------------------------------------------------------------------------------------ */

static uint8_t *
put_int(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint8_t *
put_str(uint8_t *p, struct str s)
{
	p = put_int(p, s.n, 4);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

static size_t
field_size(struct str s, size_t most)
{
	assert(s.n <= most);
	(void)most;
	return 4 + s.n;
}

static size_t
payload_size(enum ipc_type type, const void *any)
{
	switch (type) {
#define IPC_BEGIN(n, ch, f, st, hasfd, o, r) \
	case IPC_##n: { \
		const struct ipc_##n *m = any; \
		(void)m; \
		return 0
#define IPC_U8(f) +1
#define IPC_U32(f) +4
#define IPC_U64(f) +8
#define IPC_STR(f, most) +field_size(m->f, (most))
#define IPC_BYTES(f, most) +field_size(m->f, (most))
#define IPC_END(n) \
	; \
	}
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
	default:
		assert(!"no such message");
		return 0;
	}
}

static void
put_payload(uint8_t *p, enum ipc_type type, const void *any)
{
	switch (type) {
#define IPC_BEGIN(n, ch, f, st, hasfd, o, r) \
	case IPC_##n: { \
		const struct ipc_##n *m = any; \
		(void)m;
#define IPC_U8(f) p = put_int(p, m->f, 1);
#define IPC_U32(f) p = put_int(p, m->f, 4);
#define IPC_U64(f) p = put_int(p, m->f, 8);
#define IPC_STR(f, most) p = put_str(p, m->f);
#define IPC_BYTES(f, most) p = put_str(p, m->f);
#define IPC_END(n) \
	break; \
	}
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
	default:
		break;
	}
	(void)p;
}

int
ipc_encode(struct buf *out, enum ipc_type type, uint64_t id, const void *m)
{
	size_t n = payload_size(type, m);
	uint8_t *p = buf_reserve(out, IPC_HEADER + n);

	if (p == NULL)
		return BUF_LIMIT;
	p = put_int(p, n, 4);
	p = put_int(p, type, 2);
	p = put_int(p, rows[type].fd, 2);
	p = put_int(p, id, 8);
	put_payload(p, type, m);
	buf_commit(out, IPC_HEADER + n);
	return 0;
}

/* --- decoding ------------------------------------------------------------------------------------ */

static bool
get_int(struct str *in, uint64_t *v, size_t bytes)
{
	if (in->n < bytes)
		return false;
	*v = 0;
	for (size_t i = 0; i < bytes; i++)
		*v |= (uint64_t)(uint8_t)in->p[i] << (8 * i);
	in->p += bytes;
	in->n -= bytes;
	return true;
}

static int
get_str(struct str *in, struct str *s, size_t most, bool text)
{
	uint64_t n;

	if (!get_int(in, &n, 4))
		return IPC_ERR_SHORT;
	if (n > most)
		return IPC_ERR_FIELD;
	if (n > in->n)
		return IPC_ERR_SHORT;
	*s = str_from(in->p, (size_t)n);
	if (text && n > 0 && memchr(in->p, 0, (size_t)n) != NULL)
		return IPC_ERR_FIELD;
	in->p += n;
	in->n -= (size_t)n;
	return 0;
}

int
ipc_decode(enum ipc_type type, struct str in, union ipc_any *out)
{
	uint64_t v;
	int r = 0;

	(void)v;
	switch (type) {
#define IPC_BEGIN(n, ch, f, st, hasfd, o, r_) \
	case IPC_##n: { \
		struct ipc_##n *m = &out->n; \
		(void)m;
#define GET_INT(f, bytes) \
	if (!get_int(&in, &v, (bytes))) \
		return IPC_ERR_SHORT; \
	m->f = (__typeof__(m->f))v;
#define IPC_U8(f) GET_INT(f, 1)
#define IPC_U32(f) GET_INT(f, 4)
#define IPC_U64(f) GET_INT(f, 8)
#define IPC_STR(f, most) \
	if ((r = get_str(&in, &m->f, (most), true)) < 0) \
		return r;
#define IPC_BYTES(f, most) \
	if ((r = get_str(&in, &m->f, (most), false)) < 0) \
		return r;
#define IPC_END(n) \
	break; \
	}
#include "ipc/ipc_table.h"
#include "ipc/ipc_undef.h"
	default:
		return IPC_ERR_TYPE;
	}
	return in.n > 0 ? IPC_ERR_TRAILING : r;
}
