/* SPDX-License-Identifier: ISC */
/* Mail that leaves the house: who may send it, and whom an address stands for. */
#include "queue/test_remote_world.h"

static void
test_login_sends(void **unused)
{
	static const char want[] = "Received: y\r\nSubject: x\r\n\r\nHello\r\n";
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "a@good.test");
	assert_true(run_for(w, is_empty, 3000));
	assert_int_equal(w->jobs, 1);
	assert_string_equal(w->sent[0].domain, "good.test");
	assert_string_equal(w->sent[0].from, "me@example.test");
	assert_string_equal(w->sent[0].to, "a@good.test");
	assert_int_equal(buf_len(&w->content), sizeof(want) - 1);
	assert_memory_equal(buf_data(&w->content), want, sizeof(want) - 1);
	/* A large one, to a mailbox here and elsewhere, the domain in capitals. */
	target = w->answers + 1;
	send_mail(w, w->door,
	    &(struct mail){
		.from = "me@example.test", .to = "a@GOOD.test you@example.test", .size = 300000 });
	assert_true(run_for(w, answered, 3000));
	assert_true(run_for(w, is_empty, 3000));
	assert_string_equal(w->sent[1].domain, "good.test");
	assert_true(buf_len(&w->content) > 300000);
	assert_int_equal(w->delivered, 1);
	assert_memory_equal(
	    buf_data(&w->mail), "Delivered-To: you@example.test\r\nReceived: y", 43);
	world_free(w);
}

/* What was announced does not count, what is there does. */
static void
test_8bit_is_what_is_there(void **unused)
{
	static const struct {
		const char *content;
		bool announced, want;
	} cases[] = { { "Subject: x\r\n\r\nHello\r\n", true, false },
		{ "Subject: x\r\n\r\nH\xc3\xa4llo\r\n", false, true },
		{ "Subject: x\r\n\r\nH\xc3\xa4llo\r\n", true, true } };
	struct world *w = world_new();

	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		target = w->answers + 1;
		send_mail(w, w->door,
		    &(struct mail){ .from = "me@example.test",
			.to = "a@good.test",
			.content = cases[i].content,
			.body_8bit = cases[i].announced });
		assert_true(run_for(w, answered, 3000));
		assert_true(run_for(w, is_empty, 3000));
		assert_int_equal(w->jobs, i + 1);
		assert_int_equal(w->sent[i].eightbit, cases[i].want);
	}
	world_free(w);
}

static unsigned
door_ask(struct world *w, uint8_t what, const char *address)
{
	target = w->answers + 1;
	ipc_send_door_ask(
	    w->door, 99, &(struct ipc_door_ask){ .what = what, .address = str_of(address) });
	assert_true(run_for(w, answered, 3000));
	return w->door_result;
}

static void
test_doors(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "boss@example.test", .to = "a@good.test" };

	(void)unused;
	/* Another's address: refused. The null reverse-path is for notifications of having read. */
	target = 1;
	send_mail(w, w->door, &m);
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result, IPC_DENIED);
	m.from = "";
	target = 2;
	send_mail(w, w->door, &m);
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result, IPC_OK);
	/* A recipient that is not known; one that is none. */
	m = (struct mail){ .from = "me@example.test", .to = "nobody@example.test" };
	send_mail(w, w->door, &m);
	m.to = "none";
	send_mail(w, w->door, &m);
	target = 4;
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result, IPC_NO);
	assert_int_equal(door_ask(w, 0, "me@example.test"), IPC_OK);
	assert_int_equal(door_ask(w, 0, "boss@example.test"), IPC_DENIED);
	assert_int_equal(door_ask(w, 0, ""), IPC_OK);
	assert_int_equal(door_ask(w, 1, "nobody@example.test"), IPC_NO);
	assert_int_equal(door_ask(w, 1, "who@ever.test"), IPC_OK);
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(door_ask(w, 1, "@@"), IPC_INVALID);
	/* A full mailbox is refused before it is accepted, also from memory, but not afterwards. */
	assert_int_equal(door_ask(w, 1, "full@example.test"), IPC_FULL);
	assert_int_equal(door_ask(w, 1, "full@example.test"), IPC_FULL);
	m.to = "full@example.test";
	send_mail(w, w->door, &m);
	target = w->answers + 1;
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result, IPC_OK);
	/* Without accounts the door stays; what is new has to wait. */
	ipc_channel_free(&w->accounts);
	settle_down(w);
	assert_int_equal(door_ask(w, 0, "me@example.test"), IPC_TEMP);
	connect_accounts(w);
	assert_int_equal(door_ask(w, 0, "me@example.test"), IPC_OK);
	ipc_send_door_kick(w->accounts, 0, &(struct ipc_door_kick){ .account = ME + 1 });
	settle_down(w);
	assert_non_null(w->door);
	ipc_send_door_kick(w->accounts, 0, &(struct ipc_door_kick){ .account = ME });
	settle_down(w);
	assert_null(w->door);
	assert_non_null(w->smtpd);
	world_free(w);
}

/* What was asked is known until accounts says that it changed. */
static void
test_answers_are_kept(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(w->questions, 1);
	ipc_send_targets_changed(w->accounts, 0, &(struct ipc_targets_changed){ 0 });
	settle_down(w);
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(w->questions, 2);
	world_free(w);
}

static void
test_smtpd_does_not_relay(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "x@out.test", .to = "a@good.test", .elsewhere = 1 };

	(void)unused;
	target = 1;
	send_mail(w, w->smtpd, &m);
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result, IPC_DENIED);
	/* Questions are for logins. */
	ipc_send_door_ask(
	    w->smtpd, 5, &(struct ipc_door_ask){ .what = 1, .address = STR("a@b.c") });
	target = 2;
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->door_result, IPC_INVALID);
	assert_int_equal(w->jobs, 0);
	/* accounts silent: temporary, and the commit waits no longer than the client. */
	world_free(w);
}

static void
test_forward(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "x@out.test", .to = "fwd@example.test", .elsewhere = 1 };

	(void)unused;
	target = 1;
	send_mail(w, w->smtpd, &m);
	assert_true(run_for(w, answered, 3000));
	assert_true(run_for(w, is_empty, 3000));
	assert_int_equal(w->jobs, 1);
	assert_string_equal(w->sent[0].to, "bob@away.test");
	assert_memory_equal(w->sent[0].from, "SRS0=", 5);
	assert_non_null(strstr(w->sent[0].from, "=out.test=x@example.test"));
	assert_true(has(&w->content, "Delivered-To: fwd@example.test\r\nReceived: y"));
	/* It comes back: it must not go round. */
	m.content = "Delivered-To: fwd@EXAMPLE.test\r\nSubject: x\r\n\r\nHello\r\n";
	for (m.size = 0; m.size <= 200000; m.size += 200000) {
		target++;
		send_mail(w, w->smtpd, &m);
		assert_true(run_for(w, answered, 3000));
		assert_int_equal(w->result, IPC_EXISTS);
	}
	/* The null reverse-path stays. */
	m = (struct mail){ .from = "", .to = "fwd@example.test", .elsewhere = 1 };
	target++;
	send_mail(w, w->smtpd, &m);
	assert_true(run_for(w, is_empty, 3000));
	assert_true(run_for(w, answered, 3000));
	assert_string_equal(w->sent[1].from, "");
	world_free(w);
}

static void
test_list(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	target = 1;
	send_mail(w, w->door,
	    &(struct mail){ .from = "me@example.test",
		.to = "team@example.test y@b.test",
		.notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE });
	assert_true(run_for(w, answered, 3000));
	assert_true(run_for(w, is_empty, 3000));
	/* y@b.test once, though it was named twice. */
	assert_int_equal(w->jobs, 2);
	target = 2;
	assert_true(run_for(w, mail_came, 3000));
	assert_true(has(&w->mail, "Action: expanded"));
	assert_true(has(&w->mail, "team@example.test"));
	assert_false(has(&w->mail, "Action: delivered"));
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_sends),
		cmocka_unit_test(test_8bit_is_what_is_there),
		cmocka_unit_test(test_doors),
		cmocka_unit_test(test_answers_are_kept),
		cmocka_unit_test(test_smtpd_does_not_relay),
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_list),
	};

	log_open("queue", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
