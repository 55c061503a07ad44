/* SPDX-License-Identifier: ISC */
/*
 * The main function of a fuzz target outside a fuzzer: feeds every file of the directories (or the
 * files) given to LLVMFuzzerTestOneInput, in order of name, and prints how many there were.
 * No file at all is a failure: a replay that read nothing has shown nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	struct stat st;
	int ok = -1;

	if (f == NULL || fstat(fileno(f), &st) != 0)
		goto out;
	/* Exactly as large as the input, so that a sanitizer sees one byte read too far. */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (data == NULL || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
		goto out;
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	inputs++;
	ok = 0;
out:
	if (ok != 0)
		fprintf(stderr, "fuzz_replay: %s: %s\n", path, strerror(errno));
	if (f != NULL)
		fclose(f);
	free(data);
	return ok;
}

static int
replay_directory(const char *path)
{
	struct dirent **names = NULL;
	char file[4096];
	int n, rc = 0;

	n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		fprintf(stderr, "fuzz_replay: %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
			if (replay_file(file) != 0)
				rc = -1;
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

int
main(int argc, char **argv)
{
	struct stat st;
	int rc = 0;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) != 0) {
			fprintf(stderr, "fuzz_replay: %s: %s\n", argv[i], strerror(errno));
			rc = 1;
		} else if ((S_ISDIR(st.st_mode) ? replay_directory : replay_file)(argv[i]) != 0) {
			rc = 1;
		}
	}
	printf("inputs %u\n", inputs);
	return inputs == 0 ? 1 : rc;
}
