/* SPDX-License-Identifier: ISC */
/*
 * The lines of the log that tell a message's story: the one list. No include guard. The words that
 * begin such a line are a contract between the daemons and `postern trace`.
 *
 *   EVENT(program, event, if_key, english, german)
 *       program, event  of the line: "PROGRAM[n] LEVEL ID event=EVENT ..."
 *       if_key          the row is for lines that have this key with a value; "": for all. The first row
 *                       that fits counts.
 *       english, german   sentences (UTF-8). {key} is the value of key in the line; {?reason} is the text of the
 *                       refusal that reason names.
 */
EVENT("smtpd", "accepted", "",
    "Accepted from {client}, which calls itself {helo}, as {queue}: from <{from}> to <{rcpt}>, {rcpts} recipient(s), {size} bytes.",
    "Angenommen von {client}, das sich {helo} nennt, als {queue}: von <{from}> an <{rcpt}>, {rcpts} Empfänger, {size} Byte.")
EVENT("submission", "accepted", "",
    "Accepted from a user as {queue}: from <{from}> to <{rcpt}>, {rcpts} recipient(s), {size} bytes.",
    "Angenommen von einem Benutzer als {queue}: von <{from}> an <{rcpt}>, {rcpts} Empfänger, {size} Byte.")
EVENT("submission", "login", "", "The user {login} logged in ({mechanism}).",
    "Der Benutzer {login} hat sich angemeldet ({mechanism}).")
EVENT("submission", "login-failed", "", "A login as {login} failed.",
    "Eine Anmeldung als {login} ist gescheitert.")
EVENT("smtpd", "refused", "rcpt",
    "Refused to {client} the recipient <{rcpt}> of a message from <{from}>: {?reason} ({code}).",
    "Von {client} den Empfänger <{rcpt}> einer Nachricht von <{from}> nicht angenommen: {?reason} ({code}).")
EVENT("smtpd", "refused", "from",
    "Refused to {client} a message from <{from}>: {?reason} ({code}).",
    "Von {client} eine Nachricht von <{from}> nicht angenommen: {?reason} ({code}).")
EVENT("smtpd", "refused", "", "Refused to {client}: {?reason}.",
    "Von {client} nicht angenommen: {?reason}.")
EVENT("submission", "refused", "rcpt",
    "Refused the recipient <{rcpt}> of a message from <{from}>: {?reason} ({code}).",
    "Den Empfänger <{rcpt}> einer Nachricht von <{from}> nicht angenommen: {?reason} ({code}).")
EVENT("submission", "refused", "", "Refused a message from <{from}>: {?reason} ({code}).",
    "Eine Nachricht von <{from}> nicht angenommen: {?reason} ({code}).")
EVENT("smtpd", "checked", "name",
    "Checked {client}, whose name in DNS is {name} ({iprev}); sender's domain: {sender-domain}; SPF: {spf}.",
    "Geprüft: {client}, im DNS {name} ({iprev}); Domain des Absenders: {sender-domain}; SPF: {spf}.")
EVENT("smtpd", "checked", "",
    "Checked {client}, which has no name in DNS ({iprev}); sender's domain: {sender-domain}; SPF: {spf}.",
    "Geprüft: {client}, im DNS ohne Namen ({iprev}); Domain des Absenders: {sender-domain}; SPF: {spf}.")
EVENT("smtpd", "authenticated", "dkim-domain",
    "Author's domain: {author}; DMARC: {dmarc}, policy of its owner: {dmarc-policy}; DKIM: {dkim}, signed by {dkim-domain}; ARC: {arc}.",
    "Domain des Verfassers: {author}; DMARC: {dmarc}, Wunsch ihres Inhabers: {dmarc-policy}; DKIM: {dkim}, signiert von {dkim-domain}; ARC: {arc}.")
EVENT("smtpd", "authenticated", "",
    "Author's domain: {author}; DMARC: {dmarc}, policy of its owner: {dmarc-policy}; no signature (DKIM); ARC: {arc}.",
    "Domain des Verfassers: {author}; DMARC: {dmarc}, Wunsch ihres Inhabers: {dmarc-policy}; keine Signatur (DKIM); ARC: {arc}.")
EVENT("smtpd", "judged", "", "It is to go into the folder Junk ({by}).",
    "Sie soll in den Ordner Junk ({by}).")
EVENT("smtpd", "results-removed", "",
    "Took {fields} field(s) out of the header that claimed to be this server's results.",
    "{fields} Felder aus dem Kopf genommen, die sich als Ergebnisse dieses Servers ausgaben.")
EVENT("smtpd", "dns-given-up", "",
    "DNS gave no answer in time to {questions} question(s).",
    "Das DNS hat auf {questions} Fragen nicht rechtzeitig geantwortet.")
EVENT("smtpd", "report", "foreign",
    "It is a report ({kind}) that speaks of no message sent from here: {foreign}.",
    "Es ist eine Rückmeldung ({kind}), die von keiner von hier gesendeten Nachricht handelt: {foreign}.")
EVENT("smtpd", "report", "", "It is a report ({kind}); about a message sent from here: {ours}.",
    "Es ist eine Rückmeldung ({kind}); über eine von hier gesendete Nachricht: {ours}.")
EVENT("smtpd", "greylist", "", "The greylist has let it in for <{rcpt}>.",
    "Die Greylist hat es für <{rcpt}> eingelassen.")
EVENT("smtpd", "allowed-by-recipient", "list",
    "<{rcpt}> has allowed mail from <{from}>: that the blocklist {list} names the client does not count.",
    "<{rcpt}> hat Mail von <{from}> zugelassen: Dass die Sperrliste {list} den Client nennt, zählt nicht.")
EVENT("smtpd", "allowed-by-recipient", "",
    "<{rcpt}> has allowed mail from <{from}>: it does not wait for the greylist.",
    "<{rcpt}> hat Mail von <{from}> zugelassen: Sie wartet nicht auf die Greylist.")
EVENT("smtpd", "early-talker", "", "{client} sent {bytes} byte(s) before its turn.",
    "{client} hat {bytes} Byte gesendet, bevor es an der Reihe war.")
EVENT("smtpd", "watched", "", "{client} has misbehaved lately: it had to wait for its greeting.",
    "{client} hat sich zuletzt falsch verhalten: Es musste auf die Begrüßung warten.")
EVENT("smtpd", "xclient", "", "A trusted proxy speaks for {as}.",
    "Ein vertrauter Vermittler spricht für {as}.")
EVENT("smtpd", "closed", "", "The session ended ({reason}).", "Die Sitzung endete ({reason}).")
EVENT("submission", "closed", "", "The session ended ({reason}).", "Die Sitzung endete ({reason}).")
EVENT("mailbox", "delivered", "", "Put into the mailbox as number {uid}.",
    "In das Postfach gelegt, als Nummer {uid}.")
EVENT("queue", "delivered", "", "The server {relay} took it: {code} {status} {text}.",
    "Der Server {relay} hat es angenommen: {code} {status} {text}.")
EVENT("queue", "deferred", "relay",
    "Not yet delivered to {domain}, server {relay}: {code} {status} {text}. It will be tried again.",
    "Noch nicht an {domain} zugestellt, Server {relay}: {code} {status} {text}. Es wird erneut versucht.")
EVENT("queue", "deferred", "", "Not yet put into a mailbox. It will be tried again.",
    "Noch nicht in ein Postfach gelegt. Es wird erneut versucht.")
EVENT("queue", "failed", "relay",
    "Failed for good at {domain}, server {relay}: {code} {status} {text}. The sender is told.",
    "Endgültig gescheitert bei {domain}, Server {relay}: {code} {status} {text}. Der Absender erfährt es.")
EVENT("queue", "failed", "", "Failed for good: {status} {text}. The sender is told.",
    "Endgültig gescheitert: {status} {text}. Der Absender erfährt es.")
EVENT("queue", "dropped", "", "Failed for good: {status} {text}. Nobody is to be told.",
    "Endgültig gescheitert: {status} {text}. Niemand ist zu benachrichtigen.")
EVENT("queue", "expired", "", "It has waited too long and is given up.",
    "Es hat zu lange gewartet und wird aufgegeben.")
EVENT("queue", "report", "", "A notification about {about} to its sender.",
    "Eine Benachrichtigung über {about} an den Absender.")
EVENT("queue", "admin", "", "An administrator's command: {action}.",
    "Ein Befehl des Administrators: {action}.")
EVENT("queue", "removed", "", "Removed by an administrator.", "Von einem Administrator entfernt.")
EVENT(
    "queue", "redirected", "", "Redirected to {to}; was {from}.", "Umgeleitet an {to}; war {from}.")
EVENT("delivery", "transaction", "",
    "Spoke with {relay} for {domain}: {delivered} delivered, {deferred} deferred, {refused} refused, encrypted with {tls}; the last answer: {code} {enhanced} {text}.",
    "Mit {relay} für {domain} gesprochen: {delivered} zugestellt, {deferred} aufgeschoben, {refused} abgelehnt, verschlüsselt mit {tls}; letzte Antwort: {code} {enhanced} {text}.")
EVENT("delivery", "tls-failed", "",
    "TLS with {relay} failed ({reason}); it is spoken to in clear text.",
    "TLS mit {relay} ist gescheitert ({reason}); es geht im Klartext weiter.")
#undef EVENT
