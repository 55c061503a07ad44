/* SPDX-License-Identifier: ISC */
/* Notifications byte by byte, for dsn_test.c. */
#ifndef POSTERN_DSN_GOLDEN_H
#define POSTERN_DSN_GOLDEN_H

#define GOLDEN_FAILED \
	"From: Mail Delivery System <postmaster@here.test>\r\n" \
	"To: <anna@here.test>\r\n" \
	"Subject: Mail not delivered / Nachricht nicht zugestellt\r\n" \
	"Date: Tue, 14 Nov 2023 23:16:40 +0100\r\n" \
	"Message-ID: <77.dsn@mx.here.test>\r\n" \
	"In-Reply-To: <1@here.test>\r\n" \
	"References: <1@here.test>\r\n" \
	"Auto-Submitted: auto-replied\r\n" \
	"MIME-Version: 1.0\r\n" \
	"Content-Type: multipart/report; report-type=delivery-status;\r\n" \
	" boundary=\"=_dsn_0000000000001234\"\r\n" \
	"\r\n" \
	"This is a delivery status notification in MIME format.\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234\r\n" \
	"Content-Type: text/plain; charset=utf-8\r\n" \
	"Content-Transfer-Encoding: quoted-printable\r\n" \
	"\r\n" \
	"(Deutsch weiter unten.)\r\n" \
	"\r\n" \
	"Hello,\r\n" \
	"\r\n" \
	"your message could not be delivered to the following recipients. It will\r\n" \
	"not be tried again.\r\n" \
	"\r\n" \
	"Subject: Gr=C3=BC=C3=9Fe\r\n" \
	"\r\n" \
	"  bob@there.test\r\n" \
	"    The address does not exist. Check it for typing errors or ask the\r\n" \
	"    recipient for the right one.\r\n" \
	"    mx.there.test said: 550-5.1.1 <bob@there.test>: 550 5.1.1 no such\r\n" \
	"    user\r\n" \
	"\r\n" \
	"This is the mail server mx.here.test, writing by itself.\r\n" \
	"\r\n" \
	"\r\n" \
	"Guten Tag,\r\n" \
	"\r\n" \
	"Ihre Nachricht konnte den folgenden Empf=C3=A4ngern nicht zugestellt werden=\r\n" \
	"=2E\r\n" \
	"Es wird nicht noch einmal versucht.\r\n" \
	"\r\n" \
	"Betreff: Gr=C3=BC=C3=9Fe\r\n" \
	"\r\n" \
	"  bob@there.test\r\n" \
	"    Die Adresse gibt es nicht. Pr=C3=BCfen Sie sie auf Tippfehler oder frag=\r\n" \
	"en\r\n" \
	"    Sie den Empf=C3=A4nger nach der richtigen.\r\n" \
	"    mx.there.test sagte: 550-5.1.1 <bob@there.test>: 550 5.1.1 no such\r\n" \
	"    user\r\n" \
	"\r\n" \
	"Dies schreibt der Mailserver mx.here.test von selbst.\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234\r\n" \
	"Content-Type: message/delivery-status\r\n" \
	"\r\n" \
	"Reporting-MTA: dns; mx.here.test\r\n" \
	"Original-Envelope-Id: QQ+314\r\n" \
	"Arrival-Date: Tue, 14 Nov 2023 23:13:20 +0100\r\n" \
	"\r\n" \
	"Original-Recipient: rfc822; Bob+X@there.test\r\n" \
	"Final-Recipient: rfc822; bob@there.test\r\n" \
	"Action: failed\r\n" \
	"Status: 5.1.1\r\n" \
	"Remote-MTA: dns; mx.there.test\r\n" \
	"Diagnostic-Code: smtp; 550-5.1.1 <bob@there.test>: 550 5.1.1 no such\r\n" \
	" user\r\n" \
	"Last-Attempt-Date: Tue, 14 Nov 2023 23:15:00 +0100\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234\r\n" \
	"Content-Type: text/rfc822-headers\r\n" \
	"\r\n" \
	"From: Anna <anna@here.test>\r\n" \
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" \
	"Message-ID: <1@here.test>\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234--\r\n"

#define GOLDEN_DELAYED \
	"From: Mail Delivery System <postmaster@here.test>\r\n" \
	"To: <anna@here.test>\r\n" \
	"Subject: Mail delayed / =?UTF-8?Q?Nachricht_verz=C3=B6gert?=\r\n" \
	"Date: Tue, 14 Nov 2023 23:16:40 +0100\r\n" \
	"Message-ID: <77.dsn@mx.here.test>\r\n" \
	"In-Reply-To: <1@here.test>\r\n" \
	"References: <1@here.test>\r\n" \
	"Auto-Submitted: auto-replied\r\n" \
	"MIME-Version: 1.0\r\n" \
	"Content-Type: multipart/report; report-type=delivery-status;\r\n" \
	" boundary=\"=_dsn_0000000000001234\"\r\n" \
	"\r\n" \
	"This is a delivery status notification in MIME format.\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234\r\n" \
	"Content-Type: text/plain; charset=utf-8\r\n" \
	"Content-Transfer-Encoding: quoted-printable\r\n" \
	"\r\n" \
	"(Deutsch weiter unten.)\r\n" \
	"\r\n" \
	"Hello,\r\n" \
	"\r\n" \
	"your message could not yet be delivered to the following recipients. You\r\n" \
	"need not do anything: it is tried again and again, and you will be told\r\n" \
	"when it fails for good.\r\n" \
	"\r\n" \
	"Subject: Gr=C3=BC=C3=9Fe\r\n" \
	"\r\n" \
	"  bob@there.test\r\n" \
	"    The recipient's mail server did not answer. It may be down or\r\n" \
	"    unreachable.\r\n" \
	"    Detail: connection timed out\r\n" \
	"\r\n" \
	"This is the mail server mx.here.test, writing by itself.\r\n" \
	"\r\n" \
	"\r\n" \
	"Guten Tag,\r\n" \
	"\r\n" \
	"Ihre Nachricht konnte den folgenden Empf=C3=A4ngern noch nicht zugestellt\r\n" \
	"werden. Sie m=C3=BCssen nichts tun: Es wird immer wieder versucht, und Sie\r\n" \
	"h=C3=B6ren es, wenn es endg=C3=BCltig misslingt.\r\n" \
	"\r\n" \
	"Betreff: Gr=C3=BC=C3=9Fe\r\n" \
	"\r\n" \
	"  bob@there.test\r\n" \
	"    Der Mailserver des Empf=C3=A4ngers hat nicht geantwortet. Er ist\r\n" \
	"    vielleicht abgeschaltet oder nicht erreichbar.\r\n" \
	"    Einzelheit: connection timed out\r\n" \
	"\r\n" \
	"Dies schreibt der Mailserver mx.here.test von selbst.\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234\r\n" \
	"Content-Type: message/delivery-status\r\n" \
	"\r\n" \
	"Reporting-MTA: dns; mx.here.test\r\n" \
	"Original-Envelope-Id: QQ+314\r\n" \
	"Arrival-Date: Tue, 14 Nov 2023 23:13:20 +0100\r\n" \
	"\r\n" \
	"Final-Recipient: rfc822; bob@there.test\r\n" \
	"Action: delayed\r\n" \
	"Status: 4.4.1\r\n" \
	"Diagnostic-Code: X-Postern; connection timed out\r\n" \
	"Last-Attempt-Date: Tue, 14 Nov 2023 23:15:00 +0100\r\n" \
	"Will-Retry-Until: Sun, 19 Nov 2023 14:20:00 +0100\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234\r\n" \
	"Content-Type: message/rfc822\r\n" \
	"\r\n" \
	"From: Anna <anna@here.test>\r\n" \
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" \
	"Message-ID: <1@here.test>\r\n" \
	"\r\n" \
	"Hello\r\n" \
	"\r\n" \
	"--=_dsn_0000000000001234--\r\n"

#endif
