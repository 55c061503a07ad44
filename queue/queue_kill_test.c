/* SPDX-License-Identifier: ISC */
/* The queue killed again and again: nothing is lost, nothing comes twice. */
#include "queue/test_world.h"

struct life {
	pid_t pid;
	int smtpd[2];
	int ends[ENDS][2]; /* used one after the other, by ask pipe */
	int ask[2];        /* child tells which account it opened an end for */
	unsigned used;
};

static struct life life;

static void
child_open(struct world *w, uint32_t account)
{
	uint8_t byte = (uint8_t)account;

	if (life.used == ENDS || write(life.ask[1], &byte, 1) != 1)
		return;
	queue_mailbox_opened(w->queue, account, IPC_OK, life.ends[life.used++][0]);
}

static void
child_main(struct world *w)
{
	close(life.smtpd[1]);
	close(life.ask[0]);
	for (int i = 0; i < ENDS; i++)
		close(life.ends[i][1]);
	log_open("queue", -1);
	w->loop = io_loop_new();
	w->asked_timer = io_timer_new(w->loop, on_asked, w);
	w->open_now = child_open;
	if (queue_new(w->loop, w->dirfd, &w->options, &w->queue) != 0)
		_exit(1);
	queue_accept_peer(w->queue, life.smtpd[0]);
	io_loop_run(w->loop);
	_exit(0);
}

static void
on_ask(void *arg, int events)
{
	struct world *w = arg;
	uint8_t account;

	(void)events;
	if (read(life.ask[0], &account, 1) == 1)
		box_attach(&w->box[account], life.ends[life.used++][1]);
}

static struct io_watch *ask_watch;

static void
life_begin(struct world *w)
{
	assert_int_equal(ipc_pair(life.smtpd), 0);
	assert_int_equal(pipe(life.ask), 0);
	for (int i = 0; i < ENDS; i++)
		assert_int_equal(ipc_pair(life.ends[i]), 0);
	life.used = 0;
	fflush(NULL);
	life.pid = fork();
	assert_true(life.pid >= 0);
	if (life.pid == 0)
		child_main(w);
	close(life.smtpd[0]);
	close(life.ask[1]);
	for (int i = 0; i < ENDS; i++)
		close(life.ends[i][0]);
	w->smtpd =
	    ipc_channel_new(w->loop, life.smtpd[1], IPC_CH_queue_accept, IPC_CLIENT, &smtpd_ops, w);
	ask_watch = io_watch_new(w->loop, life.ask[0], IO_READ, on_ask, w);
}

static void
life_end(struct world *w)
{
	kill(life.pid, SIGKILL);
	assert_int_equal(waitpid(life.pid, NULL, 0), life.pid);
	io_watch_free(&ask_watch);
	close(life.ask[0]);
	/* What was on its way still arrives: mailboxes and smtpd outlive the queue. */
	run_for(w, NULL, 5);
	ipc_channel_free(&w->smtpd);
	for (int i = 0; i < ACCOUNTS; i++)
		if (w->box[i].ch)
			box_closed(&w->box[i], w->box[i].ch);
	for (unsigned i = life.used; i < ENDS; i++)
		close(life.ends[i][1]);
}

static void
test_kill(void **unused)
{
	struct world *w = world_bare();
	uint64_t key = 1;
	unsigned seed = 4711;

	(void)unused;
	for (int n = 0; n < LIVES; n++) {
		unsigned count = 20 + (unsigned)rand_r(&seed) % 200;

		life_begin(w);
		for (unsigned i = 0; i < count; i++, key++)
			send_message(w, key, key % ACCOUNTS,
			    rand_r(&seed) % 16 ? 100 + (unsigned)rand_r(&seed) % 5000 : 140000);
		run_for(w, NULL, (unsigned)rand_r(&seed) % 90);
		life_end(w);
	}
	life_begin(w);
	/* The last life delivers all that was ever promised. */
	for (int i = 0; i < 100; i++) {
		bool all = true;

		run_for(w, NULL, 100);
		for (uint64_t k = 1; k < key; k++)
			if (w->answer[k] == 1 && w->delivered[k % ACCOUNTS][k] == 0)
				all = false;
		if (all)
			break;
	}
	run_for(w, NULL, 300);
	for (uint64_t k = 1; k < key; k++) {
		if (w->answer[k] == 1)
			assert_int_equal(w->delivered[k % ACCOUNTS][k], 1);
		assert_true(w->delivered[k % ACCOUNTS][k] <= 1);
	}
	print_message("%llu sent, %u stored, %zu delivered, %d kills\n",
	    (unsigned long long)key - 1, w->stored, delivered_total(w), LIVES);
	/* Else nothing was at stake. How many fit into so short lives is a question of the machine. */
	assert_true(w->stored > 4 * LIVES);
	life_end(w);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
