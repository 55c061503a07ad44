/* SPDX-License-Identifier: ISC */
/*
 * Sealed backups: the archive of an instance, sealed (seal/seal.h), in pieces in a vault. The pieces of a
 * new backup have names of their own; the head, which says which pieces count, is replaced when all of them
 * are on stable storage and have been read again. So whatever ends it before, the old backup is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/backup.h"
#include "admin/machine.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { PASSPHRASE_LEAST = 12, PASSPHRASE_MOST = 1000 };

/* A sealed stream on its way to where it is kept. */
struct sealed_out {
	struct vault *v;
	struct seal seal;
	struct seal_head head;
	uint8_t block[SEAL_BLOCK]; /* in the clear, until it is full */
	size_t n;
	uint8_t *piece;
	size_t piece_n;
};

/* What opens a backup: one of both. */
struct secret {
	enum seal_kind kind;
	struct buf text;
};

bool
sealed_wanted(const struct command_line *line)
{
	return line->option[OPTION_key] != NULL || line->option[OPTION_passphrase] != NULL ||
	       http_is_url(line->args[0]);
}

/* --- the secret --------------------------------------------------------------------------------------- */

static int
read_key_file(struct secret *s, const char *path, bool make, struct copy *c)
{
	size_t n;
	char *text = machine_read_file(path, SEAL_KEY_FILE_MAX, &n);

	if (text == NULL && errno == ENOENT && make)
		return copy_fail(c, "%s: %s; make a key with: postern backup key %s", path,
		    strerror(errno), path);
	if (text == NULL)
		return copy_error(c, path);
	s->kind = SEAL_KEY_FILE;
	buf_put(&s->text, text, n);
	sodium_memzero(text, n);
	free(text);
	return 0;
}

static int
ask_passphrase(struct secret *s, bool make, struct copy *c)
{
	struct buf again;
	bool same = true;

	s->kind = SEAL_PASSPHRASE;
	if (password_line("Passphrase of the backup: ", &s->text) < 0)
		return copy_fail(c, "there is no passphrase on standard input");
	if (make && buf_len(&s->text) < PASSPHRASE_LEAST)
		return copy_fail(c, "a passphrase needs at least %d characters", PASSPHRASE_LEAST);
	if (make && isatty(0)) {
		buf_init(&again, PASSPHRASE_MOST);
		same = password_line("Once more: ", &again) == 0 &&
		       buf_len(&again) == buf_len(&s->text) &&
		       memcmp(buf_data(&again), buf_data(&s->text), buf_len(&again)) == 0;
		buf_free_secret(&again);
	}
	return same ? 0 : copy_fail(c, "the two passphrases differ");
}

static int
secret_read(struct secret *s, const struct command_line *line, bool make, struct copy *c)
{
	const char *file = line->option[OPTION_key];
	bool asked = line->option[OPTION_passphrase] != NULL;

	buf_init(&s->text, PASSPHRASE_MOST);
	if (file != NULL && asked)
		return copy_fail(c, "--key and --passphrase exclude each other");
	if (file != NULL)
		return read_key_file(s, file, make, c);
	if (asked)
		return ask_passphrase(s, make, c);
	return copy_fail(c, "a backup on a server is sealed; say --key FILE or --passphrase");
}

static int
secret_key(const struct secret *s, const struct seal_head *h, struct seal_key *key, struct copy *c)
{
	struct str text = str_from(buf_data(&s->text), buf_len(&s->text));

	if (s->kind != h->kind)
		return copy_fail(c, "it is sealed with a %s",
		    h->kind == SEAL_PASSPHRASE ? "passphrase" : "key file");
	if (s->kind == SEAL_KEY_FILE && seal_key_file(key, h, text) < 0)
		return copy_fail(c, "the key file does not begin with 64 hexadecimal digits");
	if (s->kind == SEAL_PASSPHRASE && seal_key_passphrase(key, h, text) < 0)
		return copy_fail(c, "there is not enough memory to use the passphrase");
	return 0;
}

/* --- the head ----------------------------------------------------------------------------------------- */

/* The head in the vault and its key. VAULT_NONE: there is none. */
static enum vault_result
head_read(struct vault *v, const struct secret *s, struct seal_head *h, struct seal_key *key,
    struct copy *c)
{
	struct buf raw;
	const char *why = "";
	enum vault_result r;

	buf_init(&raw, SEAL_HEAD_SIZE + 1);
	r = vault_get(v, VAULT_HEAD, SEAL_HEAD_SIZE + 1, &raw);
	if (r == VAULT_FAILED)
		copy_fail(c, "%s", v->error);
	else if (r == VAULT_OK && seal_head_read(buf_data(&raw), buf_len(&raw), h, &why) < 0)
		r = copy_fail(c, "%s/%s: %s", v->target, VAULT_HEAD, why);
	else if (r == VAULT_OK && secret_key(s, h, key, c) < 0)
		r = VAULT_FAILED;
	else if (r == VAULT_OK && !seal_head_authentic(buf_data(&raw), key))
		r = copy_fail(c, "the %s does not open the backup in %s",
		    s->kind == SEAL_PASSPHRASE ? "passphrase" : "key file", v->target);
	buf_free(&raw);
	return r;
}

/* --- backup ------------------------------------------------------------------------------------------- */

static int
flush_piece(struct sealed_out *o, struct copy *c)
{
	char name[VAULT_NAME_MAX];

	if (o->head.pieces == SEAL_PIECES_MAX)
		return copy_fail(c, "the instance is too large for a backup of this kind");
	vault_piece_name(o->head.id, o->head.pieces + 1, name);
	if (vault_put(o->v, name, o->piece, o->piece_n) < 0)
		return copy_fail(c, "%s", o->v->error);
	o->head.pieces++;
	o->head.bytes += o->piece_n;
	o->piece_n = 0;
	return 0;
}

static int
flush_block(struct sealed_out *o, bool last, struct copy *c)
{
	uint8_t sealed[SEAL_BLOCK_SEALED];
	size_t n = seal_block(&o->seal, o->block, o->n, last, sealed), done = 0;

	while (done < n) {
		size_t room = VAULT_PIECE - o->piece_n, take = n - done < room ? n - done : room;

		memcpy(o->piece + o->piece_n, sealed + done, take);
		o->piece_n += take;
		done += take;
		if (o->piece_n == VAULT_PIECE && flush_piece(o, c) < 0)
			return -1;
	}
	o->n = 0;
	return last && o->piece_n > 0 ? flush_piece(o, c) : 0;
}

static int
write_sealed(void *arg, const void *p, size_t n, struct copy *c)
{
	struct sealed_out *o = arg;

	for (size_t done = 0; done < n;) {
		size_t room = SEAL_BLOCK - o->n, take = n - done < room ? n - done : room;

		memcpy(o->block + o->n, (const uint8_t *)p + done, take);
		o->n += take;
		done += take;
		if (o->n == SEAL_BLOCK && flush_block(o, false, c) < 0)
			return -1;
	}
	return 0;
}

/* All pieces, then the head. */
static int
write_new(struct admin *a, struct sealed_out *o, const struct secret *s,
    const struct seal_head *old, struct copy *c)
{
	struct sink sink = { write_sealed, o };
	struct seal_key key;
	uint8_t head[SEAL_HEAD_SIZE];
	int r = -1;

	seal_head_new(&o->head, s->kind, time(NULL));
	o->head.piece_size = VAULT_PIECE;
	if (secret_key(s, &o->head, &key, c) < 0)
		return -1;
	seal_begin(&o->seal, &o->head, &key);
	if (vault_begin(o->v, o->head.id, old) < 0)
		copy_fail(c, "%s", o->v->error);
	else if (snapshot_of_instance(a, &sink, c) == 0 && snapshot_end(&sink, c) == 0 &&
		 flush_block(o, true, c) == 0) {
		seal_head_write(&o->head, &key, head);
		r = vault_put(o->v, VAULT_HEAD, head, sizeof(head));
		if (r < 0)
			copy_fail(c, "%s", o->v->error);
	}
	seal_key_wipe(&key);
	return r;
}

/* What came of a backup that is not to be. Its head may stand on a server that has not said so: then
 * the pieces stay. */
static void
take_back(struct sealed_out *o, const struct secret *s)
{
	struct copy nobody = { 0 };
	struct seal_head h;
	struct seal_key key;
	enum vault_result r = head_read(o->v, s, &h, &key, &nobody);

	seal_key_wipe(&key);
	if (r == VAULT_FAILED || (r == VAULT_OK && memcmp(h.id, o->head.id, SEAL_ID_SIZE) == 0))
		return;
	vault_remove_pieces(o->v, o->head.id, o->head.pieces + 1);
}

static int
backup_into(struct admin *a, struct vault *v, const struct secret *s, struct copy *c)
{
	struct seal_head old;
	struct seal_key key;
	enum vault_result had = head_read(v, s, &old, &key, c);
	struct sealed_out *o;
	int r;

	seal_key_wipe(&key);
	if (had == VAULT_FAILED)
		return copy_fail(c, "%s", v->error);
	o = xcalloc(1, sizeof(*o));
	o->piece = xmalloc(VAULT_PIECE);
	o->v = v;
	if ((r = write_new(a, o, s, had == VAULT_OK ? &old : NULL, c)) == 0)
		vault_clean(v, o->head.id, o->head.pieces);
	else
		take_back(o, s);
	free(o->piece);
	sodium_memzero(o, sizeof(*o));
	free(o);
	return r;
}

/* --- restore ------------------------------------------------------------------------------------------ */

struct sealed_in {
	struct vault *v;
	struct seal seal;
	struct seal_head head;
	struct buf sealed;
	uint8_t block[SEAL_BLOCK];
};

/* Opens what has come, whole blocks only until the last piece is here. */
static int
open_blocks(struct sealed_in *in, bool last, struct unpack *u, struct copy *c)
{
	size_t n, plain;

	while (buf_len(&in->sealed) >= SEAL_BLOCK_SEALED || (last && buf_len(&in->sealed) > 0)) {
		n = buf_len(&in->sealed) < SEAL_BLOCK_SEALED ? buf_len(&in->sealed)
							     : SEAL_BLOCK_SEALED;
		if (seal_open_block(&in->seal, buf_data(&in->sealed), n, in->block, &plain) < 0)
			return copy_fail(c, "the backup is damaged: %s",
			    in->seal.ended ? "something stands behind its end"
					   : "it is not what was written");
		buf_drain(&in->sealed, n);
		if (unpack_feed(u, in->block, plain, c) < 0)
			return -1;
	}
	return 0;
}

static int
read_piece(struct sealed_in *in, uint32_t number, struct copy *c)
{
	uint64_t before = (uint64_t)(number - 1) * in->head.piece_size;
	uint64_t left = in->head.bytes - before, had = buf_len(&in->sealed);
	size_t want = left < in->head.piece_size ? (size_t)left : in->head.piece_size;
	char name[VAULT_NAME_MAX];
	enum vault_result r;

	vault_piece_name(in->head.id, number, name);
	r = vault_get(in->v, name, want, &in->sealed);
	if (r == VAULT_FAILED)
		return copy_fail(c, "%s", in->v->error);
	if (r == VAULT_NONE || buf_len(&in->sealed) - had != want)
		return copy_fail(c, "the backup is damaged: %s/%s is not there, or not whole",
		    in->v->target, name);
	return 0;
}

static int
restore_pieces(struct sealed_in *in, const struct seal_key *key, int to, struct copy *c)
{
	struct unpack *u = unpack_new(to);
	int r = 0;

	if (seal_open(&in->seal, &in->head, key) < 0)
		r = copy_fail(c, "the backup is damaged: its stream does not begin");
	for (uint32_t i = 1; r == 0 && i <= in->head.pieces; i++)
		if ((r = read_piece(in, i, c)) == 0)
			r = open_blocks(in, i == in->head.pieces, u, c);
	if (r == 0 && !in->seal.ended)
		r = copy_fail(c, "the backup is not whole");
	if (r == 0)
		r = unpack_end(u, true, c);
	unpack_free(&u);
	return r;
}

static int
restore_into(struct admin *a, struct vault *v, const struct secret *s, struct copy *c)
{
	struct sealed_in *in = xcalloc(1, sizeof(*in));
	struct seal_key key;
	enum vault_result had;
	int to = -1, r = -1;

	in->v = v;
	if ((had = head_read(v, s, &in->head, &key, c)) == VAULT_NONE)
		copy_fail(c, "there is no backup in %s", v->target);
	else if (had == VAULT_OK && (to = backup_open_empty(a->dir, c)) >= 0) {
		buf_init(&in->sealed, (size_t)in->head.piece_size + SEAL_BLOCK_SEALED);
		r = restore_pieces(in, &key, to, c);
		if (r < 0)
			backup_empty(a->dir);
		close(to);
	}
	seal_key_wipe(&key);
	buf_free(&in->sealed);
	sodium_memzero(in, sizeof(*in));
	free(in);
	return r;
}

/* --- the commands ------------------------------------------------------------------------------------- */

typedef int sealed_fn(struct admin *a, struct vault *v, const struct secret *s, struct copy *c);

/* Opens what both need, and gives it to fn. writes: the target may be new. */
static int
sealed_run(
    struct admin *a, const struct command_line *line, bool writes, sealed_fn *fn, const char *what)
{
	struct copy c = { 0 };
	struct secret s = { 0 };
	struct vault v;
	int r = -1;

	if (sodium_init() < 0)
		return EXIT_FATAL;
	if (vault_open(&v, line->args[0], line, writes) < 0)
		copy_fail(&c, "%s", v.error);
	else if (secret_read(&s, line, writes, &c) == 0)
		r = fn(a, &v, &s, &c);
	vault_close(&v);
	buf_free_secret(&s.text);
	return backup_finish(a, &c, r, what);
}

int
sealed_backup(struct admin *a, const struct command_line *line)
{
	return sealed_run(a, line, true, backup_into, "Backup");
}

int
sealed_restore(struct admin *a, const struct command_line *line)
{
	return sealed_run(a, line, false, restore_into, "Restore");
}

/* --- keys --------------------------------------------------------------------------------------------- */

int
admin_backup_key(struct admin *a)
{
	struct copy c = { 0 };
	char text[SEAL_KEY_SIZE * 2 + 2];
	struct output *o;
	int fd, r = 0;

	if (sodium_init() < 0)
		return EXIT_FATAL;
	seal_key_file_new(text);
	fd = open(a->argv[0], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) < 0)
		r = copy_error(&c, a->argv[0]);
	if (fd >= 0)
		close(fd);
	sodium_memzero(text, sizeof(text));
	if (r < 0)
		return admin_fail(a, "%s", c.error);
	o = output_new(a->command, a->json);
	return output_end(&o, IPC_OK,
	    STR("The key is written. Keep copies of it elsewhere: without it no backup that it seals can be "
		"read."));
}
