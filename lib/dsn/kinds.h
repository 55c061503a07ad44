/* SPDX-License-Identifier: ISC */
/*
 * What a notification of each kind says.
 * DSN_KIND(kind, action, class of the status, default status, subject, english, german)
 */
DSN_KIND(DSN_FAILED, "failed", '5', "5.0.0", "Mail not delivered / Nachricht nicht zugestellt",
    "your message could not be delivered to the following recipients. It will not be tried again.",
    "Ihre Nachricht konnte den folgenden Empfängern nicht zugestellt werden. Es wird nicht noch "
    "einmal versucht.")
DSN_KIND(DSN_DELAYED, "delayed", '4', "4.0.0",
    "Mail delayed / =?UTF-8?Q?Nachricht_verz=C3=B6gert?=",
    "your message could not yet be delivered to the following recipients. You need not do anything: "
    "it is tried again and again, and you will be told when it fails for good.",
    "Ihre Nachricht konnte den folgenden Empfängern noch nicht zugestellt werden. Sie müssen nichts "
    "tun: Es wird immer wieder versucht, und Sie hören es, wenn es endgültig misslingt.")
DSN_KIND(DSN_DELIVERED, "delivered", '2', "2.0.0", "Mail delivered / Nachricht zugestellt",
    "your message was delivered to the following recipients, as you asked to be told.",
    "Ihre Nachricht wurde den folgenden Empfängern zugestellt. Sie wollten das wissen.")
DSN_KIND(DSN_RELAYED, "relayed", '2', "2.0.0", "Mail passed on / Nachricht weitergegeben",
    "your message was passed on to the mail servers of the following recipients. These cannot tell "
    "whether it arrives: you may not hear of it again.",
    "Ihre Nachricht wurde an die Mailserver der folgenden Empfänger weitergegeben. Diese können nicht "
    "melden, ob sie ankommt: Sie hören vielleicht nichts mehr davon.")
DSN_KIND(DSN_EXPANDED, "expanded", '2', "2.0.0",
    "Mail passed to a list / Nachricht an Verteiler gegeben",
    "your message was passed on to the members of the following lists. Whether it reaches each of "
    "them you will not be told.",
    "Ihre Nachricht wurde an die Mitglieder der folgenden Verteiler weitergegeben. Ob sie jedes davon "
    "erreicht, wird Ihnen nicht gemeldet.")
