/* SPDX-License-Identifier: ISC */
/* Trailers, GRUB's environment block (grub-editenv is the second opinion), the FAT12 it lies in. */
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "slot/fat12.h"
#include "slot/grubenv.h"
#include "slot/test_slot.h"

static uint8_t payload[TEST_PAYLOAD], raw[SLOT_TRAILER_SIZE];

static void
test_trailer(void **state)
{
	struct slot_trailer t;
	struct slot_keys keys = { .n = 1 }, none = { .n = 0 };
	const char *why;

	(void)state;
	test_make_slot(payload, raw, 7);
	assert_int_equal(slot_trailer_parse(raw, &t, &why), 0);
	assert_string_equal(t.version, "0.7.0");
	assert_int_equal(t.serial, 1007);
	assert_string_equal(t.arch, "amd64");
	assert_int_equal(t.size, TEST_PAYLOAD);
	assert_int_equal(t.data, 4 * SLOT_BLOCK);
	assert_string_equal(t.salt, "00ff");
	memcpy(keys.key[0], test_public, SLOT_KEY_SIZE);
	assert_true(slot_trailer_signed(raw, &keys));
	assert_false(slot_trailer_signed(raw, &none));
	keys.key[0][3] ^= 1;
	assert_false(slot_trailer_signed(raw, &keys));
	memcpy(keys.key[1], test_public, SLOT_KEY_SIZE);
	keys.n = 2;
	assert_true(slot_trailer_signed(raw, &keys));
	/* Every byte of it counts. */
	for (size_t i = 0; i < SLOT_TRAILER_SIZE; i += i < 400 || i > SLOT_SIGNED_SIZE ? 1 : 97) {
		raw[i] ^= 4;
		assert_false(slot_trailer_signed(raw, &keys));
		raw[i] ^= 4;
	}
}

/* text with "old" replaced, as a trailer; is it refused, and why? */
static const char *
refused(const char *old, const char *new)
{
	static uint8_t changed[SLOT_TRAILER_SIZE];
	struct slot_trailer t;
	const char *why, *at;

	test_make_slot(payload, raw, 7);
	memset(changed, 0, sizeof(changed));
	at = strstr((const char *)raw, old);
	assert_non_null(at);
	snprintf((char *)changed, SLOT_SIGNED_SIZE, "%.*s%s%s", (int)(at - (const char *)raw),
	    (const char *)raw, new, at + strlen(old));
	return slot_trailer_parse(changed, &t, &why) < 0 ? why : NULL;
}

static void
test_bad_trailers(void **state)
{
	static const char *const damaged[][2] = { { "serial=1007", "serial=" },
		{ "serial=1007", "serial=-1" }, { "serial=1007\n", "" },
		{ "serial=1007", "serial=99999999999999" }, { "version=0.7.0", "version=0 7" },
		{ "version=0.7.0", "version=../etc" },
		{ "arch=amd64\n", "arch=amd64\narch=amd64\n" }, { "size=24576", "size=24577" },
		{ "size=24576", "size=0" }, { "data=16384", "data=24576" },
		{ "data=16384", "data=0" }, { "salt=00ff", "salt=00f" },
		{ "salt=00ff", "salt=00FF" }, { "salt=00ff", "salt=00fg" }, { "root=", "root=00=" },
		{ "sha256=", "sha256=00" }, { "arch=amd64\n", "arch=amd64" },
		{ "\nsize=", "\nmore=1\nsize=" }, { "sha256=", "more=1\nsha256=" } };

	(void)state;
	assert_null(refused("0.7.0", "0.7.1~rc1+b_2"));
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		const char *why = refused(damaged[i][0], damaged[i][1]);

		if (why == NULL)
			fail_msg("taken: %s -> %s", damaged[i][0], damaged[i][1]);
		assert_string_equal(why, "its description is damaged");
	}
	assert_non_null(strstr(refused("postern-slot 1", "postern-slot 2"), "newer format"));
	assert_non_null(strstr(refused("postern-slot 1", "postern-slop 1"), "does not end"));
}

static void
test_trailing_bytes(void **state)
{
	struct slot_trailer t;
	const char *why;

	(void)state;
	test_make_slot(payload, raw, 7);
	raw[SLOT_SIGNED_SIZE - 1] = '\n';
	assert_int_equal(slot_trailer_parse(raw, &t, &why), -1);
	memset(raw, '\n', sizeof(raw));
	assert_int_equal(slot_trailer_parse(raw, &t, &why), -1);
}

static void
test_keys(void **state)
{
	static const char key[] =
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	struct slot_keys keys;
	char text[2048];

	(void)state;
	snprintf(text, sizeof(text), "# in use\n\n%s\n  %s", key, key);
	assert_int_equal(slot_keys_parse(str_of(text), &keys), 0);
	assert_int_equal(keys.n, 2);
	assert_int_equal(keys.key[1][1], 0x11);
	assert_int_equal(slot_keys_parse(STR(""), &keys), -1);
	assert_int_equal(slot_keys_parse(STR("# none\n"), &keys), -1);
	snprintf(text, sizeof(text), "%s0\n", key);
	assert_int_equal(slot_keys_parse(str_of(text), &keys), -1);
	snprintf(text, sizeof(text), "%.62s \t\n", key);
	assert_int_equal(slot_keys_parse(str_of(text), &keys), -1);
	text[0] = '\0';
	for (size_t i = 0; i <= SLOT_KEYS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", key);
	assert_int_equal(slot_keys_parse(str_of(text), &keys), -1);
}

/* --- the environment block ---------------------------------------------------------------------------- */

static void
make_env(uint8_t env[GRUBENV_SIZE], const char *lines)
{
	char text[GRUBENV_SIZE + 1];
	int n = snprintf(text, sizeof(text), "# GRUB Environment Block\n%s", lines);

	memset(env, '#', GRUBENV_SIZE);
	memcpy(env, text, (size_t)n);
}

static void
test_env(void **state)
{
	uint8_t env[GRUBENV_SIZE];
	char v[64];
	struct slot_boot b;

	(void)state;
	make_env(env, "order=ab\nx=a\\\\b\\\nc\ntry_a=3\ntry_b=0\nnew=\n");
	assert_true(grubenv_valid(env));
	assert_true(grubenv_get(env, "x", v, sizeof(v)));
	assert_string_equal(v, "a\\b\nc");
	assert_false(grubenv_get(env, "x", v, 5));
	assert_false(grubenv_get(env, "try", v, sizeof(v)));
	assert_int_equal(slot_boot_read(env, &b), 0);
	assert_int_equal(b.first, SLOT_A);
	assert_int_equal(b.tries[SLOT_A], 3);
	assert_int_equal(b.tries[SLOT_B], 0);
	assert_int_equal(b.fresh, -1);
	slot_boot_installed(&b, SLOT_B);
	assert_int_equal(slot_boot_write(env, &b), 0);
	assert_memory_equal(env,
	    "# GRUB Environment Block\norder=ba\nx=a\\\\b\\\nc\ntry_a=3\ntry_b=3\nnew=b\n###", 69);
	slot_boot_begin(&b, SLOT_A);
	assert_int_equal(b.first, SLOT_B);
	assert_int_equal(b.tries[SLOT_A], 0);
	slot_boot_healthy(&b, SLOT_A);
	assert_int_equal(b.first, SLOT_A);
	assert_int_equal(b.fresh, -1);
}

static void
test_bad_env(void **state)
{
	static const char *const bad[] = { "", "order=ab\n", "order=aa\ntry_a=3\ntry_b=0\n",
		"order=ab\ntry_a=3\ntry_b=10\n", "order=ab\ntry_a=\ntry_b=1\n",
		"order=ab\ntry_a=3\ntry_b=0\nnew=c\n", "order=ab\ntry_a=3\ntry_b=0\nnew=ab\n" };
	uint8_t env[GRUBENV_SIZE];
	struct slot_boot b;
	char long_value[GRUBENV_VALUE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_env(env, bad[i]);
		assert_true(grubenv_valid(env));
		assert_int_equal(slot_boot_read(env, &b), -1);
	}
	make_env(env, "order=ab\ntry_a=3\ntry_b=0\n");
	env[GRUBENV_SIZE - 1] = '\n'; /* the fill became a comment: no room */
	assert_int_equal(grubenv_set(env, "new", "a"), -1);
	make_env(env, "order=ab\ntry_a=3\ntry_b=0");
	assert_false(grubenv_valid(env));
	memset(env, 0, sizeof(env));
	assert_false(grubenv_valid(env));
	/* What does not fit the first sector changes nothing. */
	memset(long_value, 'v', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	make_env(env, "");
	assert_int_equal(grubenv_set(env, "one", long_value), 0);
	assert_int_equal(grubenv_set(env, "two", long_value), -1);
	assert_true(grubenv_valid(env));
	assert_int_equal(grubenv_set(env, "one", "1"), 0);
	assert_int_equal(grubenv_set(env, "two", long_value), 0);
}

static void
editenv(const char *path, const char *words, char *out, size_t size)
{
	char command[512];
	FILE *f;
	size_t n;

	snprintf(command, sizeof(command), "grub-editenv %s %s", path, words);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	assert_int_equal(pclose(f), 0);
}

static void
file_bytes(const char *path, const char *mode, uint8_t env[GRUBENV_SIZE])
{
	FILE *f = fopen(path, mode);

	assert_non_null(f);
	assert_int_equal(
	    mode[0] == 'r' ? fread(env, 1, GRUBENV_SIZE, f) : fwrite(env, 1, GRUBENV_SIZE, f),
	    GRUBENV_SIZE);
	fclose(f);
}

/* What GRUB's own tool writes we read, and the other way round. */
static void
test_editenv(void **state)
{
	char path[] = "/tmp/postern-grubenv-XXXXXX", out[2048];
	uint8_t env[GRUBENV_SIZE];
	struct slot_boot b = { 0 };
	int fd;

	(void)state;
	if (system("command -v grub-editenv >/dev/null") != 0)
		skip();
	assert_true((fd = mkstemp(path)) >= 0);
	close(fd);
	editenv(path, "create", out, sizeof(out));
	editenv(path, "set order=ba try_a=1 'odd=a\\b' try_b=2 new=b", out, sizeof(out));
	file_bytes(path, "rb", env);
	assert_int_equal(slot_boot_read(env, &b), 0);
	assert_int_equal(b.first, SLOT_B);
	assert_int_equal(b.tries[SLOT_A], 1);
	assert_int_equal(b.tries[SLOT_B], 2);
	assert_int_equal(b.fresh, SLOT_B);
	assert_true(grubenv_get(env, "odd", out, sizeof(out)));
	assert_string_equal(out, "a\\b");
	slot_boot_healthy(&b, SLOT_A);
	assert_int_equal(slot_boot_write(env, &b), 0);
	file_bytes(path, "wb", env);
	editenv(path, "list", out, sizeof(out));
	assert_non_null(strstr(out, "order=ab\n"));
	assert_non_null(strstr(out, "try_a=3\n"));
	assert_non_null(strstr(out, "try_b=2\n"));
	assert_non_null(strstr(out, "odd=a\\b\n"));
	assert_non_null(strstr(out, "new=\n"));
	unlink(path);
}

/* --- FAT12 -------------------------------------------------------------------------------------------- */

enum { FAT_SIZE = 64 * 512 };
static uint8_t fat[FAT_SIZE];

/* One FAT of a sector, a root directory of 16 entries, clusters of a sector, file in clusters 3 and 4. */
static void
make_fat(void)
{
	static const uint8_t boot[] = { 0, 2, 1, 1, 0, 1, 16, 0, 64, 0, 0xf8, 1, 0 };
	uint8_t *entry = fat + 2 * 512 + 32;

	memset(fat, 0, sizeof(fat));
	memcpy(fat + 11, boot, sizeof(boot));
	fat[510] = 0x55;
	fat[511] = 0xaa;
	/* Clusters 0 to 4: two of the system, a free one, 3 -> 4, the end. */
	memcpy(fat + 512, "\xf8\xff\xff\x00\x40\x00\xff\x0f", 8);
	memcpy(fat + 2 * 512, "POSTERN-ENV\x08", 12);
	memcpy(entry, "GRUBENV    \x20", 12);
	entry[26] = 3;
	entry[29] = 4; /* 1024 bytes */
}

static enum fat12_result
find(uint32_t *offset, uint32_t *size)
{
	return fat12_find(fat, FAT_SIZE, "GRUBENV    ", offset, size);
}

static void
test_fat(void **state)
{
	uint32_t offset, size;

	(void)state;
	make_fat();
	assert_int_equal(find(&offset, &size), FAT12_OK);
	assert_int_equal(offset, (3 + 1) * 512);
	assert_int_equal(size, 1024);
	assert_int_equal(fat12_find(fat, FAT_SIZE, "POSTERN-ENV", &offset, &size), FAT12_NO_FILE);
	fat[512 + 4] = 0x50; /* 3 -> 5 */
	assert_int_equal(find(&offset, &size), FAT12_SCATTERED);
	make_fat();
	fat[512 + 6] = 5; /* longer than the file */
	fat[512 + 7] = 0;
	assert_int_equal(find(&offset, &size), FAT12_SCATTERED);
	make_fat();
	fat[2 * 512 + 32 + 31] = 0xff; /* its size */
	assert_int_equal(find(&offset, &size), FAT12_NOT_FAT);
	make_fat();
	fat[20] = 1; /* sectors: more than there are */
	assert_int_equal(find(&offset, &size), FAT12_NOT_FAT);
	make_fat();
	fat[13] = 3;
	assert_int_equal(find(&offset, &size), FAT12_NOT_FAT);
	make_fat();
	fat[510] = 0;
	assert_int_equal(find(&offset, &size), FAT12_NOT_FAT);
	assert_int_equal(fat12_find(fat, 100, "GRUBENV    ", &offset, &size), FAT12_NOT_FAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_trailer),
		cmocka_unit_test(test_bad_trailers), cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_keys), cmocka_unit_test(test_env),
		cmocka_unit_test(test_bad_env), cmocka_unit_test(test_editenv),
		cmocka_unit_test(test_fat) };

	if (sodium_init() < 0)
		return 1;
	test_make_key();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
