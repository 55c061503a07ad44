/* SPDX-License-Identifier: ISC */
#include "tests/probe/filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

enum { FILTERS_MAX = 8, INSTRUCTIONS_MAX = 4096, STEPS_MAX = 100000 };

struct filters {
	unsigned n;
	struct {
		struct sock_filter *code;
		long length;
	} filter[FILTERS_MAX];
};

struct filters *
filters_read(pid_t pid)
{
	struct filters *f = calloc(1, sizeof(*f));

	while (f != NULL && f->n < FILTERS_MAX) {
		struct sock_filter *code = calloc(INSTRUCTIONS_MAX, sizeof(*code));
		long n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, (void *)(uintptr_t)f->n, code);

		if (code == NULL || n <= 0) {
			free(code);
			break;
		}
		f->filter[f->n].code = code;
		f->filter[f->n++].length = n;
	}
	if (f != NULL && f->n == 0)
		filters_free(&f);
	return f;
}

void
filters_free(struct filters **fp)
{
	struct filters *f = *fp;

	if (f == NULL)
		return;
	*fp = NULL;
	for (unsigned i = 0; i < f->n; i++)
		free(f->filter[i].code);
	free(f);
}

static uint32_t
operand(const struct sock_filter *in, uint32_t x)
{
	return BPF_SRC(in->code) == BPF_X ? x : in->k;
}

static int
jumps(const struct sock_filter *in, uint32_t a, uint32_t x)
{
	uint32_t b = operand(in, x);

	switch (BPF_OP(in->code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JSET:
		return (a & b) != 0;
	}
	return 0;
}

/* The subset that seccomp filters of libseccomp use; 0 (the strictest) for anything else. */
static uint32_t
run(const struct sock_filter *code, long length, const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, mem[16] = { 0 };
	long pc = 0;

	for (int steps = 0; pc < length && steps < STEPS_MAX; steps++) {
		const struct sock_filter *in = &code[pc++];

		switch (in->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (in->k > sizeof(*data) - 4)
				return 0;
			memcpy(&a, (const char *)data + in->k, 4);
			break;
		case BPF_LD | BPF_IMM:
			a = in->k;
			break;
		case BPF_LD | BPF_MEM:
			a = mem[in->k & 15];
			break;
		case BPF_ST:
			mem[in->k & 15] = a;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= in->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += in->k;
			break;
		case BPF_RET | BPF_K:
			return in->k;
		case BPF_RET | BPF_A:
			return a;
		default:
			if (BPF_CLASS(in->code) != BPF_JMP)
				return 0;
			pc += jumps(in, a, x) ? in->jt : in->jf;
		}
	}
	return 0;
}

int
filters_verdict(const struct filters *f, uint32_t arch, long nr, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	int strictest = FILTER_ALLOW;

	memcpy(data.args, args, sizeof(data.args));
	for (unsigned i = 0; i < f->n; i++) {
		uint32_t action =
		    run(f->filter[i].code, f->filter[i].length, &data) & SECCOMP_RET_ACTION_FULL;
		int verdict = action == SECCOMP_RET_ALLOW          ? FILTER_ALLOW
			      : action == SECCOMP_RET_KILL_PROCESS ? FILTER_KILL
								   : FILTER_REFUSE;

		if (verdict > strictest)
			strictest = verdict;
	}
	return strictest;
}
