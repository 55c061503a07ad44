/* SPDX-License-Identifier: ISC */
/* What a command prints: a table for people, JSON for scripts. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/xalloc.h"

/* Rows that are kept to find the width of the columns; a longer table or array is printed as it
 * comes. */
enum { KEPT_MAX = 1000 };
/* Faults of a file of settings or answers. */
enum { FAULTS_MAX = 16 << 10 };

struct output {
	const struct command *c;
	bool json;
	bool streaming; /* the beginning is printed */
	json_t *rows;
	size_t width[COMMAND_COLUMNS_MAX];
};

struct output *
output_new(const struct command *c, bool json)
{
	struct output *o = xcalloc(1, sizeof(*o));

	o->c = c;
	o->json = json;
	o->rows = json_array();
	return o;
}

/* Bytes from the instance may hold anything: what could steer a terminal becomes a '?'. */
static json_t *
clean(struct str s)
{
	char *copy = xstrndup(s.p, s.n);
	json_t *j;

	for (char *p = copy; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	j = json_string(copy);
	if (j == NULL) {
		/* Not UTF-8. */
		for (char *p = copy; *p != '\0'; p++)
			if ((unsigned char)*p >= 0x80)
				*p = '?';
		j = json_string(copy);
	}
	free(copy);
	return j;
}

static void
print_cell(const struct output *o, size_t i, const char *text)
{
	struct str next;
	bool last = !command_column(o->c, i + 1, &next);

	printf("%-*s%s", last ? 0 : (int)o->width[i], text, last ? "\n" : "  ");
}

static void
print_head(const struct output *o)
{
	struct str name;

	for (size_t i = 0; command_column(o->c, i, &name); i++) {
		char head[64];

		for (size_t k = 0; k <= name.n && k < sizeof(head); k++)
			head[k] = (char)(k < name.n ? ascii_toupper(name.p[k]) : '\0');
		print_cell(o, i, head);
	}
}

static void
print_rows(const struct output *o)
{
	struct str name;
	size_t r;
	json_t *row;

	json_array_foreach(o->rows, r, row)
	{
		for (size_t i = 0; command_column(o->c, i, &name); i++) {
			char key[64];
			const char *text;

			snprintf(key, sizeof(key), "%.*s", STRF(name));
			text = json_string_value(json_object_get(row, key));
			print_cell(o, i, text ? text : "");
		}
	}
}

static void
print_json_rows(struct output *o)
{
	size_t r;
	json_t *row;

	json_array_foreach(o->rows, r, row)
	{
		printf("%s\n    ", o->streaming ? "," : "");
		json_dumpf(row, stdout, JSON_ENSURE_ASCII);
		o->streaming = true;
	}
}

/* What is kept goes out; the table's columns keep the width they have. */
static void
stream(struct output *o)
{
	if (!o->json) {
		if (!o->streaming)
			print_head(o);
		print_rows(o);
		o->streaming = true;
	} else {
		if (!o->streaming)
			printf("{\n  \"rows\": [");
		print_json_rows(o);
	}
	json_array_clear(o->rows);
}

void
output_row(void *arg, struct str cells)
{
	struct output *o = arg;
	json_t *row = json_object();
	struct str cell, name;

	for (size_t i = 0; i < COMMAND_COLUMNS_MAX && command_column(o->c, i, &name) &&
			   command_cell_next(&cells, &cell);
	     i++) {
		char key[64];

		snprintf(key, sizeof(key), "%.*s", STRF(name));
		json_object_set_new(row, key, clean(cell));
		if (cell.n > o->width[i])
			o->width[i] = cell.n;
		if (name.n > o->width[i])
			o->width[i] = name.n;
	}
	json_array_append_new(o->rows, row);
	if (json_array_size(o->rows) == KEPT_MAX)
		stream(o);
}

void
output_cells(struct output *o, size_t n, const char *const cells[])
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < n; i++)
		buf_put(&b, cells[i], strlen(cells[i]) + 1);
	output_row(o, str_from(buf_data(&b), buf_len(&b)));
	buf_free(&b);
}

static void
print_json(const struct output *o, enum ipc_result result, struct str message)
{
	json_t *all = json_object();

	json_object_set_new(all, "ok", json_boolean(result == IPC_OK));
	if (message.n > 0)
		json_object_set_new(all, "message", clean(message));
	if (o->c->columns[0] != '\0')
		json_object_set(all, "rows", o->rows);
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	printf("\n");
	json_decref(all);
}

/* The end of what stream() began. */
static void
print_json_end(struct output *o, enum ipc_result result, struct str message)
{
	json_t *text = clean(message);

	print_json_rows(o);
	printf("\n  ],\n  \"message\": ");
	json_dumpf(text, stdout, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	printf(",\n  \"ok\": %s\n}\n", result == IPC_OK ? "true" : "false");
	json_decref(text);
}

int
output_end(struct output **op, enum ipc_result result, struct str message)
{
	struct output *o = *op;
	json_t *text = clean(message);

	if (o->json && o->streaming)
		print_json_end(o, result, message);
	else if (o->json)
		print_json(o, result, message);
	else if (json_array_size(o->rows) > 0)
		stream(o);
	if (message.n > 0 && !o->json)
		fprintf(result == IPC_OK ? stdout : stderr, "%s%s\n",
		    result == IPC_OK ? "" : "postern: ", json_string_value(text));
	json_decref(text);
	json_decref(o->rows);
	free(o);
	*op = NULL;
	return result == IPC_OK ? 0 : result == IPC_TEMP ? EXIT_TEMP : EXIT_REFUSED;
}

int
admin_fail(const struct admin *a, const char *fmt, ...)
{
	struct output *o = output_new(a->command, a->json);
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return output_end(&o, IPC_NO, str_of(text));
}

static void
print_fault(const char *first, struct str line)
{
	json_t *text = clean(line);

	fprintf(stderr, "postern: %s%s\n", first, json_string_value(text));
	json_decref(text);
}

int
admin_fail_lines(const struct admin *a, const char *first, const struct buf *faults)
{
	struct str rest = str_from(buf_data(faults), buf_len(faults));
	struct output *o = output_new(a->command, a->json);
	struct buf all;
	int status;

	buf_init(&all, 2 * FAULTS_MAX);
	while (rest.n > 0) {
		ptrdiff_t end = str_chr(rest, '\n');
		struct str line = str_from(rest.p, end < 0 ? rest.n : (size_t)end);
		size_t used = line.n + (end >= 0);

		if (a->json)
			buf_printf(
			    &all, "%s%s%.*s", buf_len(&all) > 0 ? " " : "", first, STRF(line));
		else
			print_fault(first, line);
		rest = str_from(rest.p + used, rest.n - used);
	}
	status = output_end(&o, IPC_NO, str_from(buf_data(&all), buf_len(&all)));
	buf_free(&all);
	return status;
}
