/* SPDX-License-Identifier: ISC */
/*
 * What this server checks, in words: the one list, from which `postern policy` tells which checks are
 * active. No include guard. A check that can be refused for stands here.
 *
 *   CHECK(name, service, setting, off, english, german)
 *       service   smtp (port 25) or submission (465, 587)
 *       setting   that switches it, "" when it is always active; several, with spaces between: each of
 *                 them can switch it off. off: the value with which it does
 *       english, german   one or two sentences (UTF-8); {section.key} is the value of that setting, {SMTP_...}
 *                 that limit of smtp/limits.h
 */
CHECK(dialogue, smtp, "", "",
    "Commands must be written and ordered as SMTP wants it; after {smtpd.max-errors} errors, or {smtpd.max-commands} commands, the session ends.",
    "Befehle müssen so geschrieben und geordnet sein, wie SMTP es will; nach {smtpd.max-errors} Fehlern oder {smtpd.max-commands} Befehlen endet die Sitzung.")
CHECK(connections, smtp, "smtpd.max-connections-per-address", "",
    "One address may have {smtpd.max-connections-per-address} connections at a time, all together {smtpd.max-connections}.",
    "Eine Adresse darf {smtpd.max-connections-per-address} Verbindungen zugleich haben, alle zusammen {smtpd.max-connections}.")
CHECK(networks, smtp, "", "",
    "The clients of one network (IPv4: a /24, IPv6: a /48) may have {smtpd.max-connections-per-network} connections at a time.",
    "Die Gegenstellen eines Netzes (IPv4: ein /24, IPv6: ein /48) dürfen zusammen {smtpd.max-connections-per-network} Verbindungen zugleich haben.")
CHECK(connection_rate, smtp, "smtpd.connections-per-minute", "0",
    "One address may begin {smtpd.connections-per-minute} connections a minute.",
    "Eine Adresse darf in der Minute {smtpd.connections-per-minute} Verbindungen beginnen.")
CHECK(penalties, smtp, "smtpd.penalties", "no",
    "Clients that misbehave wait {smtpd.greet-delay} seconds for their greeting; who goes on is refused for a time, which grows and fades.",
    "Gegenstellen, die sich falsch verhalten, warten {smtpd.greet-delay} Sekunden auf die Begrüßung; wer so weitermacht, wird eine Zeit lang abgewiesen, die wächst und vergeht.")
CHECK(early_talkers, smtp, "smtpd.early-talkers", "off",
    "Clients must wait for the greeting and for each reply before they send their next command (what happens otherwise: {smtpd.early-talkers}).",
    "Gegenstellen müssen die Begrüßung und jede Antwort abwarten, bevor sie den nächsten Befehl senden (was sonst geschieht: {smtpd.early-talkers}).")
CHECK(slow, smtp, "", "",
    "A client may be silent for {smtpd.command-timeout} seconds; a message must come with 500 bytes a second after its first minute; a session may last {smtpd.session-timeout} seconds.",
    "Eine Gegenstelle darf {smtpd.command-timeout} Sekunden schweigen; eine Nachricht muss nach der ersten Minute mit 500 Byte in der Sekunde kommen; eine Sitzung darf {smtpd.session-timeout} Sekunden dauern.")
CHECK(early_data, smtp, "", "", "A message that is sent before the server asks for it ends the session.",
    "Eine Nachricht, die gesendet wird, bevor der Server sie verlangt, beendet die Sitzung.")
CHECK(helo, smtp, "smtpd.helo-check", "no",
    "Clients from outside must give their own full name or address with HELO or EHLO, and no name of this server.",
    "Gegenstellen von außen müssen bei HELO oder EHLO ihren eigenen vollen Namen oder ihre Adresse nennen, und keinen Namen dieses Servers.")
CHECK(client_name, smtp, "smtpd.require-name", "no",
    "The address of a client from outside must have a name in DNS that leads back to it.",
    "Die Adresse einer Gegenstelle von außen muss im DNS einen Namen haben, der zu ihr zurückführt.")
CHECK(dynamic, smtp, "smtpd.refuse-dynamic", "no",
    "Clients whose name looks like that of a dial-up line are refused.",
    "Gegenstellen, deren Name wie der eines Einwahlanschlusses aussieht, werden abgewiesen.")
CHECK(blocklists, smtp, "smtpd.blocklists", "",
    "Clients on one of these blocklists are refused, but for senders that the recipient has allowed: {smtpd.blocklists}.",
    "Gegenstellen auf einer dieser Sperrlisten werden abgewiesen, außer bei Absendern, die der Empfänger erlaubt hat: {smtpd.blocklists}.")
CHECK(sender_domain, smtp, "smtpd.check-sender-domain", "no",
    "The sender's domain must exist and take mail; when DNS gives no answer the message is put off.",
    "Die Domain des Absenders muss es geben, und sie muss Mail annehmen; gibt das DNS keine Antwort, wird die Nachricht aufgeschoben.")
CHECK(null_sender, smtp, "", "",
    "A message from outside without a sender, such as a notification, may have one recipient.",
    "Eine Nachricht von außen ohne Absender, etwa eine Benachrichtigung, darf einen Empfänger haben.")
CHECK(spf, smtp, "smtpd.refuse-spf-fail smtpd.spf", "no",
    "The sender's domain must not forbid the client to send for it (SPF fail; looked at: {smtpd.spf}).",
    "Die Domain des Absenders darf der Gegenstelle nicht verbieten, für sie zu senden (SPF fail; geprüft: {smtpd.spf}).")
CHECK(spf_error, smtp, "smtpd.refuse-spf-error smtpd.spf", "no",
    "The SPF policy of the sender's domain must be free of mistakes.",
    "Die SPF-Richtlinie der Domain des Absenders muss frei von Fehlern sein.")
CHECK(greylist, smtp, "smtpd.greylist", "off",
    "The first message from a sender to a recipient has to come again a few minutes later (from whom: {smtpd.greylist}); senders with a good history, and those whom the recipient has allowed, are not delayed.",
    "Die erste Nachricht eines Absenders an einen Empfänger muss nach einigen Minuten noch einmal kommen (von wem: {smtpd.greylist}); Absender mit guter Vorgeschichte und solche, die der Empfänger erlaubt hat, warten nicht.")
CHECK(reports, smtp, "smtpd.foreign-reports", "off",
    "Bounces, delivery reports and read receipts from outside must speak of a message that was sent from here (what happens otherwise: {smtpd.foreign-reports}).",
    "Rückmeldungen, Zustellberichte und Lesebestätigungen von außen müssen von einer Nachricht handeln, die von hier kam (was sonst geschieht: {smtpd.foreign-reports}).")
CHECK(dkim, smtp, "smtpd.dkim", "no",
    "Signatures of messages from outside (DKIM) and of those who passed them on (ARC) are verified and told in the header; for them alone nothing is refused.",
    "Signaturen von Nachrichten von außen (DKIM) und von denen, die sie weitergaben (ARC), werden geprüft und im Kopf vermerkt; ihretwegen allein wird nichts abgelehnt.")
CHECK(dmarc, smtp, "smtpd.dmarc smtpd.spf smtpd.dkim", "no",
    "A message that neither SPF nor DKIM prove to be from the domain in From goes into the folder Junk when the owner of that domain wants it quarantined or rejected (DMARC). So does one whose From field names several domains, or none that can be read.",
    "Eine Nachricht, von der weder SPF noch DKIM belegen, dass sie von der Domain in From kommt, geht in den Ordner Junk, wenn der Inhaber der Domain sie in Quarantäne oder abgelehnt haben will (DMARC). Ebenso eine, deren From mehrere Domains nennt, oder keine lesbare.")
CHECK(dmarc_reject, smtp, "smtpd.refuse-dmarc-reject smtpd.dmarc smtpd.spf smtpd.dkim", "no",
    "If he wants it rejected it is refused; it is put off when DNS does not let us know.",
    "Will er sie abgelehnt haben, wird sie abgelehnt; lässt das DNS es nicht erkennen, wird sie aufgeschoben.")
CHECK(repeated, smtp, "smtpd.same-message-per-hour smtpd.dkim", "0",
    "One and the same signed message is taken {smtpd.same-message-per-hour} times within an hour; further copies must come again later.",
    "Ein und dieselbe signierte Nachricht wird in einer Stunde {smtpd.same-message-per-hour}-mal angenommen; weitere müssen später noch einmal kommen.")
CHECK(spared, smtp, "", "",
    "Mail to postmaster and abuse is refused for no list and no content; what others would not get goes into the folder Junk. Recipients of such different rules get a message each by itself.",
    "Mail an postmaster und abuse wird wegen keiner Liste und keines Inhalts abgelehnt; was andere nicht bekämen, geht in den Ordner Junk. Empfänger mit so verschiedenen Regeln bekommen die Nachricht einzeln.")
CHECK(recipients, smtp, "", "",
    "Only recipients that exist here are accepted, at most {smtpd.max-recipients} for one message; mail for other domains is not.",
    "Angenommen werden nur Empfänger, die es hier gibt, höchstens {smtpd.max-recipients} für eine Nachricht; Mail für andere Domains nicht.")
CHECK(size, smtp, "", "", "A message may have {general.message-size} bytes.",
    "Eine Nachricht darf {general.message-size} Byte haben.")
CHECK(newlines, smtp, "", "", "All lines of a message must end with CR LF.",
    "Alle Zeilen einer Nachricht müssen mit CR LF enden.")
CHECK(loop, smtp, "", "", "A message that has passed more than {SMTP_HOPS_MAX} servers is taken for one that runs in a loop.",
    "Eine Nachricht, die über mehr als {SMTP_HOPS_MAX} Server lief, gilt als im Kreis laufend.")
CHECK(format, smtp, "smtpd.format-check", "no",
    "The header must have exactly one From field, no second Subject, To, Date and the like, and nothing but fields.",
    "Der Kopf muss genau ein Feld From haben, kein zweites Subject, To, Date und ähnliche, und nichts außer Feldern.")
CHECK(format_size, smtp, "", "", "The header may have {SMTP_FIELDS_MAX} fields and {SMTP_HEADER_MAX} bytes.",
    "Der Kopf darf {SMTP_FIELDS_MAX} Felder und {SMTP_HEADER_MAX} Byte haben.")
CHECK(nesting, smtp, "", "", "Parts of a message may stand in one another {SMTP_NESTING_MAX} deep.",
    "Teile einer Nachricht dürfen bis zu {SMTP_NESTING_MAX} tief ineinander stehen.")
CHECK(format_8bit, smtp, "smtpd.format-8bit", "no",
    "Letters beyond ASCII in the header must be encoded or announced with SMTPUTF8.",
    "Buchstaben außerhalb von ASCII müssen im Kopf kodiert oder mit SMTPUTF8 angekündigt sein.")
CHECK(format_nul, smtp, "smtpd.format-nul", "no", "A message must not contain NUL bytes.",
    "Eine Nachricht darf keine NUL-Bytes enthalten.")
CHECK(line, smtp, "smtpd.max-line", "0", "A line may have {smtpd.max-line} characters.",
    "Eine Zeile darf {smtpd.max-line} Zeichen haben.")

CHECK(login, submission, "", "",
    "Users must encrypt and log in; after {submission.max-login-failures} wrong passwords the session ends.",
    "Benutzer müssen verschlüsseln und sich anmelden; nach {submission.max-login-failures} falschen Passwörtern endet die Sitzung.")
CHECK(sender, submission, "", "",
    "The sender's address, in the envelope and in From and Sender, must belong to the user who is logged in.",
    "Die Absenderadresse, im Umschlag und in From und Sender, muss dem angemeldeten Benutzer gehören.")
CHECK(header, submission, "", "", "The header must be one that all mail programs read alike.",
    "Der Kopf muss einer sein, den alle Mailprogramme gleich lesen.")
CHECK(messages_per_hour, submission, "submission.messages-per-hour", "0",
    "A user may send {submission.messages-per-hour} messages an hour.",
    "Ein Benutzer darf {submission.messages-per-hour} Nachrichten in der Stunde senden.")
CHECK(recipients_per_hour, submission, "submission.recipients-per-hour", "0",
    "A user may write to {submission.recipients-per-hour} recipients an hour, to {submission.max-recipients} with one message.",
    "Ein Benutzer darf in der Stunde an {submission.recipients-per-hour} Empfänger schreiben, mit einer Nachricht an {submission.max-recipients}.")
#undef CHECK
