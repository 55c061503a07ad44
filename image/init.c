/* SPDX-License-Identifier: ISC */
/*
 * The first program of the appliance, alone in its initrd: opens the slot that the boot loader chose
 * through dm-verity, mounts it as the root and starts its init. Static; needs nothing but the kernel.
 * Whatever goes wrong ends in a restart, after which the boot loader counts one try less.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	BLOCK = 4096,        /* of dm-verity, and the size of the trailer */
	SIGNED_BYTES = 4032, /* of the trailer; the signature follows */
	DISK_SECONDS = 30,   /* USB disks take some */
};

/* Our partitions by their names in the GPT. */
static const struct part_row {
	const char *name, *key;
} part_rows[] = {
	{ "postern-esp", "esp" },
	{ "postern-env", "env" },
	{ "postern-a", "slot_a" },
	{ "postern-b", "slot_b" },
	{ "postern-data", "data" },
};

enum { PARTS = sizeof(part_rows) / sizeof(part_rows[0]) };

struct machine {
	char disk[32];
	char part[PARTS][32];
	char slot; /* 'a' or 'b' */
	char fresh;
	char trailer[BLOCK + 1];
};

static void give_up(const char *, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
give_up(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("postern: cannot start: ");
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	sync();
	sleep(5);
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void
must_mount(const char *what, const char *where, const char *type, unsigned long flags)
{
	/* Without a mode everybody may write a tmpfs; other types take none. */
	const char *options = type && strcmp(type, "tmpfs") == 0 ? "mode=0755" : NULL;

	if (mount(what, where, type, flags, options) < 0)
		give_up("mount %s: %s", where, strerror(errno));
}

/* The first line of a small file, without its end; "" when it cannot be read. */
static void
read_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "r");

	text[0] = '\0';
	if (f && fgets(text, (int)size, f))
		text[strcspn(text, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* Copies the value of KEY= in a text of words or lines; false when it is not there. */
static bool
value_of(const char *text, const char *key, char *value, size_t size)
{
	size_t n = strlen(key);

	for (const char *p = text; (p = strstr(p, key)) != NULL; p += n) {
		size_t length = strcspn(p + n + (p[n] == '='), " \n");

		if (p[n] != '=' || (p > text && !strchr(" \n", p[-1])) || length >= size)
			continue;
		memcpy(value, p + n + 1, length);
		value[length] = '\0';
		return true;
	}
	return false;
}

/* Debian's kernel has its drivers in modules, in the order of the list; the own one has none. */
static void
load_modules(void)
{
	char name[128], path[160];
	FILE *f = fopen("/modules/order", "r");

	while (f && fgets(name, sizeof(name), f)) {
		int fd;

		name[strcspn(name, "\n")] = '\0';
		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST &&
				  errno != ENODEV))
			printf("postern: module %s: %s\n", name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	if (f)
		fclose(f);
}

/* Looks whether a block device is one of our partitions; of two disks the first one seen counts. */
static void
look_at(struct machine *m, const char *device)
{
	char path[300], name[64], target[300], *disk;
	char text[1024] = "";
	FILE *f;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/block/%.64s/uevent", device);
	if ((f = fopen(path, "r")) == NULL)
		return;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	snprintf(path, sizeof(path), "/sys/class/block/%.64s", device);
	if (!value_of(text, "PARTNAME", name, sizeof(name)) ||
	    (n = readlink(path, target, sizeof(target) - 1)) <= 0)
		return;
	target[n] = '\0';
	*strrchr(target, '/') = '\0';
	disk = strrchr(target, '/') + 1;
	for (int i = 0; i < PARTS; i++) {
		if (strcmp(name, part_rows[i].name) != 0 || strlen(device) > 20 ||
		    strlen(disk) > 20)
			continue;
		if (m->disk[0] == '\0')
			snprintf(m->disk, sizeof(m->disk), "/dev/%.20s", disk);
		if (strcmp(m->disk + 5, disk) == 0)
			snprintf(m->part[i], sizeof(m->part[i]), "/dev/%.20s", device);
	}
}

static bool
parts_complete(struct machine *m)
{
	struct dirent *e;
	DIR *d = opendir("/sys/class/block");

	while (d && (e = readdir(d)) != NULL)
		look_at(m, e->d_name);
	if (d)
		closedir(d);
	for (int i = 0; i < PARTS; i++)
		if (m->part[i][0] == '\0')
			return false;
	return true;
}

static void
find_parts(struct machine *m)
{
	for (int tries = 0; tries < DISK_SECONDS * 20; tries++) {
		if (parts_complete(m))
			return;
		usleep(50000);
	}
	give_up("no disk with the partitions of Postern");
}

static const char *
slot_device(const struct machine *m)
{
	return m->part[m->slot == 'a' ? 2 : 3];
}

static void
read_trailer(struct machine *m)
{
	const char *device = slot_device(m);
	uint64_t size = 0;
	int fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0 || size < BLOCK ||
	    pread(fd, m->trailer, BLOCK, (off_t)(size - BLOCK)) != BLOCK)
		give_up("%s: %s", device, strerror(errno));
	close(fd);
	m->trailer[SIGNED_BYTES] = '\0';
	if (strncmp(m->trailer, "postern-slot 1\n", 15) != 0)
		give_up("%s holds no system", device);
}

static void
dm_call(int fd, unsigned long call, const char *what, uint32_t flags, const char *table,
    uint64_t sectors)
{
	struct {
		struct dm_ioctl io;
		struct dm_target_spec spec;
		char table[512];
	} r = {
		.io = { .version = { 4, 0, 0 },
		    .data_size = sizeof(r),
		    .flags = flags,
		    .name = "root" },
	};

	if (table) {
		r.io.data_start = offsetof(__typeof__(r), spec);
		r.io.target_count = 1;
		r.spec.length = sectors;
		snprintf(r.spec.target_type, sizeof(r.spec.target_type), "verity");
		snprintf(r.table, sizeof(r.table), "%s", table);
	}
	if (ioctl(fd, call, &r) < 0)
		give_up("dm-verity: %s: %s", what, strerror(errno));
}

/* A block that is not what was built restarts the machine: another slot may be whole. */
static void
open_verity(struct machine *m)
{
	char data[24], salt[129], root[129], table[512];
	const char *device = slot_device(m);
	unsigned long long blocks;
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up("/dev/mapper/control: %s", strerror(errno));
	if (!value_of(m->trailer, "data", data, sizeof(data)) ||
	    !value_of(m->trailer, "salt", salt, sizeof(salt)) ||
	    !value_of(m->trailer, "root", root, sizeof(root)))
		give_up("%s: the trailer is broken", device);
	blocks = strtoull(data, NULL, 10) / BLOCK;
	snprintf(table, sizeof(table),
	    "1 %s %s 4096 4096 %llu %llu sha256 %s %s 1 restart_on_corruption", device, device,
	    blocks, blocks, root, salt);
	dm_call(fd, DM_DEV_CREATE, "create", 0, NULL, 0);
	dm_call(fd, DM_TABLE_LOAD, "table", DM_READONLY_FLAG, table, blocks * (BLOCK / 512));
	dm_call(fd, DM_DEV_SUSPEND, "resume", 0, NULL, 0);
	close(fd);
}

/* What user space needs to know of the machine: /run/postern/slot. */
static void
write_machine(const struct machine *m)
{
	FILE *f;

	must_mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV);
	if (mkdir("/run/postern", 0755) < 0 || (f = fopen("/run/postern/slot", "w")) == NULL)
		give_up("/run/postern/slot: %s", strerror(errno));
	fprintf(f, "slot=%c\nnew=%c\ndisk=%s\n", m->slot, m->fresh, m->disk);
	for (int i = 0; i < PARTS; i++)
		fprintf(f, "%s=%s\n", part_rows[i].key, m->part[i]);
	fclose(f);
}

static void
switch_root(void)
{
	static const char *const moved[] = { "/dev", "/proc", "/sys", "/run" };
	char to[32];

	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		snprintf(to, sizeof(to), "/root%s", moved[i]);
		must_mount(moved[i], to, NULL, MS_MOVE);
	}
	unlink("/init");
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		give_up("switch to the root: %s", strerror(errno));
	execl("/sbin/init", "init", (char *)NULL);
	give_up("/sbin/init: %s", strerror(errno));
}

int
main(void)
{
	struct machine m = { .slot = 'a', .fresh = '0' };
	char line[1024], value[8];

	must_mount("dev", "/dev", "devtmpfs", MS_NOSUID);
	must_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
	must_mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
	read_line("/proc/cmdline", line, sizeof(line));
	if (!value_of(line, "postern.slot", value, sizeof(value)) ||
	    (value[0] != 'a' && value[0] != 'b'))
		give_up("no postern.slot= among the kernel's arguments");
	m.slot = value[0];
	if (value_of(line, "postern.new", value, sizeof(value)))
		m.fresh = value[0] == '1' ? '1' : '0';
	load_modules();
	find_parts(&m);
	read_trailer(&m);
	open_verity(&m);
	write_machine(&m);
	must_mount("/dev/dm-0", "/root", "squashfs", MS_RDONLY | MS_NODEV | MS_NOSUID);
	switch_root();
}
