/* SPDX-License-Identifier: ISC */
#include "slot/install.h"

static int
put(struct slot_install *s, enum slot_device d, uint64_t offset, const void *p, size_t n)
{
	return s->io.write(s->io.arg, d, offset, p, n) < 0 ? SLOT_INSTALL_IO : SLOT_INSTALL_OK;
}

static int
sync_device(struct slot_install *s, enum slot_device d)
{
	return s->io.sync(s->io.arg, d) < 0 ? SLOT_INSTALL_IO : SLOT_INSTALL_OK;
}

/* One sector in one write: whoever reads it sees the old or the new order. */
static int
set_boot(struct slot_install *s, void (*change)(struct slot_boot *, enum slot))
{
	struct slot_boot b;
	int r;

	if (slot_boot_read(s->env, &b) < 0)
		return SLOT_INSTALL_ENV;
	change(&b, s->target);
	if (slot_boot_write(s->env, &b) < 0)
		return SLOT_INSTALL_ENV;
	if ((r = put(s, SLOT_DEVICE_ENV, 0, s->env, GRUBENV_SECTOR)) < 0)
		return r;
	return sync_device(s, SLOT_DEVICE_ENV);
}

static int
put_trailer(struct slot_install *s, const uint8_t raw[SLOT_TRAILER_SIZE])
{
	int r = put(s, SLOT_DEVICE_TARGET, s->room - SLOT_TRAILER_SIZE, raw, SLOT_TRAILER_SIZE);

	return r < 0 ? r : sync_device(s, SLOT_DEVICE_TARGET);
}

int
slot_install_begin(struct slot_install *s, const struct slot_io *io,
    const uint8_t raw[SLOT_TRAILER_SIZE], enum slot target, uint64_t room,
    const uint8_t env[GRUBENV_SIZE])
{
	static const uint8_t zeros[SLOT_TRAILER_SIZE];
	const char *why;
	int r;

	memset(s, 0, sizeof(*s));
	s->io = *io;
	memcpy(s->raw, raw, SLOT_TRAILER_SIZE);
	memcpy(s->env, env, GRUBENV_SIZE);
	s->target = target;
	s->room = room;
	crypto_hash_sha256_init(&s->sum);
	if (slot_trailer_parse(raw, &s->trailer, &why) < 0)
		return SLOT_INSTALL_SUM;
	if (room < SLOT_TRAILER_SIZE || s->trailer.size > room - SLOT_TRAILER_SIZE)
		return SLOT_INSTALL_ROOM;
	if ((r = set_boot(s, slot_boot_begin)) < 0)
		return r;
	return put_trailer(s, zeros);
}

int
slot_install_data(struct slot_install *s, const void *p, size_t n)
{
	int r;

	if (n > s->trailer.size - s->done)
		return SLOT_INSTALL_LENGTH;
	crypto_hash_sha256_update(&s->sum, p, n);
	if ((r = put(s, SLOT_DEVICE_TARGET, s->done, p, n)) == SLOT_INSTALL_OK)
		s->done += n;
	return r;
}

int
slot_install_end(struct slot_install *s)
{
	uint8_t sum[SLOT_SUM_SIZE];
	int r;

	if (s->done != s->trailer.size)
		return SLOT_INSTALL_LENGTH;
	crypto_hash_sha256_final(&s->sum, sum);
	if (memcmp(sum, s->trailer.sha256, SLOT_SUM_SIZE) != 0)
		return SLOT_INSTALL_SUM;
	if ((r = sync_device(s, SLOT_DEVICE_TARGET)) < 0 || (r = put_trailer(s, s->raw)) < 0)
		return r;
	return set_boot(s, slot_boot_installed);
}
