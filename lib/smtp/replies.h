/* SPDX-License-Identifier: ISC */
/*
 * Every reply of the SMTP session: the one list. No include guard.
 *
 *   SMTP_REPLY(name, code, enhanced, english, german)
 *
 * enhanced is "" where rfc2034:4 has none (2xx greeting, EHLO, HELO, 354). A %s takes the
 * argument of the reply. Refusals stand in both languages (German in 7-bit ASCII) and never take
 * an argument: nothing a peer said is said back. Positive replies are English only ("" German).
 */
SMTP_REPLY(GREETING, 220, "", "%s ESMTP Postern", "")
SMTP_REPLY(BYE, 221, "2.0.0", "Bye", "")
SMTP_REPLY(HELO, 250, "", "%s", "")
SMTP_REPLY(TLS_READY, 220, "2.0.0", "Ready to start TLS", "")
SMTP_REPLY(OK, 250, "2.0.0", "OK", "")
SMTP_REPLY(SENDER_OK, 250, "2.1.0", "Sender OK", "")
SMTP_REPLY(RCPT_OK, 250, "2.1.5", "Recipient OK", "")
SMTP_REPLY(STORED, 250, "2.0.0", "Stored as %s", "")
SMTP_REPLY(CHUNK_OK, 250, "2.0.0", "Chunk received", "")
SMTP_REPLY(CANNOT_VRFY, 252, "2.0.0", "Cannot verify, send some mail", "")
SMTP_REPLY(HELP, 214, "2.0.0", "HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 5321)", "")
SMTP_REPLY(AUTH_OK, 235, "2.7.0", "Welcome", "")
SMTP_REPLY(GO_AHEAD, 354, "", "End data with <CR><LF>.<CR><LF>", "")

/* Our own trouble or our own limits: try again. */
SMTP_REPLY(STOPPING, 421, "4.3.2", "The mail server is being stopped, please try again later",
    "Der Mailserver wird angehalten, bitte spaeter erneut versuchen")
SMTP_REPLY(IDLE, 421, "4.4.2", "Timeout, closing the connection",
    "Zeitueberschreitung, die Verbindung wird geschlossen")
SMTP_REPLY(TOO_SLOW, 421, "4.4.2", "The message came too slowly, closing the connection",
    "Die Nachricht kam zu langsam, die Verbindung wird geschlossen")
SMTP_REPLY(TOO_MANY_CONNECTIONS, 421, "4.7.0",
    "Too many connections at the moment, please try again later",
    "Zu viele Verbindungen zur Zeit, bitte spaeter erneut versuchen")
SMTP_REPLY(TOO_MANY_ERRORS, 421, "4.7.0", "Too many errors, closing the connection",
    "Zu viele Fehler, die Verbindung wird geschlossen")
SMTP_REPLY(TOO_MANY_COMMANDS, 421, "4.7.0",
    "Too many commands without a message, closing the connection",
    "Zu viele Befehle ohne eine Nachricht, die Verbindung wird geschlossen")
SMTP_REPLY(TROUBLE, 451, "4.3.0", "Internal trouble of this mail server, please try again later",
    "Interne Stoerung dieses Mailservers, bitte spaeter erneut versuchen")
SMTP_REPLY(LOGIN_ENDED, 421, "4.3.2", "This login has ended, please connect again",
    "Diese Anmeldung ist beendet, bitte erneut verbinden")
SMTP_REPLY(SENDING_LIMIT, 451, "4.7.0",
    "This account has sent very much mail within an hour, please try again later",
    "Dieses Konto hat in einer Stunde sehr viel Mail gesendet, bitte spaeter erneut versuchen")
SMTP_REPLY(QUEUE_FULL, 452, "4.3.1", "This mail server is short of storage, try again later",
    "Auf diesem Mailserver ist der Speicher knapp, bitte spaeter erneut versuchen")
SMTP_REPLY(TOO_MANY_RECIPIENTS, 452, "4.5.3",
    "Too many recipients, send the message again to the rest",
    "Zu viele Empfaenger, bitte die Nachricht an die uebrigen erneut senden")
SMTP_REPLY(AUTH_UNAVAILABLE, 454, "4.7.0",
    "The login cannot be checked now, please try again later",
    "Die Anmeldung kann zur Zeit nicht geprueft werden, bitte spaeter erneut versuchen")
SMTP_REPLY(TLS_UNAVAILABLE, 454, "4.7.0", "TLS is not available at the moment",
    "TLS ist zur Zeit nicht verfuegbar")

/* Commands. */
SMTP_REPLY(BAD_COMMAND, 500, "5.5.1", "Unknown command", "Unbekannter Befehl")
SMTP_REPLY(
    LINE_TOO_LONG, 500, "5.5.2", "The command line is too long", "Die Befehlszeile ist zu lang")
SMTP_REPLY(BARE_NEWLINE, 500, "5.5.2", "Command lines end with CR LF and contain neither alone",
    "Befehlszeilen enden mit CR LF und enthalten keines davon einzeln")
SMTP_REPLY(BAD_CHARACTER, 501, "5.5.2", "The command contains characters that are not allowed",
    "Der Befehl enthaelt nicht erlaubte Zeichen")
SMTP_REPLY(BAD_SYNTAX, 501, "5.5.4", "Syntax error in the arguments",
    "Fehler in den Argumenten des Befehls")
SMTP_REPLY(BAD_HELO, 501, "5.5.4", "A host name or address literal is expected",
    "Ein Rechnername oder eine Adresse in eckigen Klammern wird erwartet")
SMTP_REPLY(BAD_SENDER, 501, "5.1.7", "The sender address is not valid",
    "Die Absenderadresse ist ungueltig")
SMTP_REPLY(BAD_RECIPIENT, 501, "5.1.3", "The recipient address is not valid",
    "Die Empfaengeradresse ist ungueltig")
SMTP_REPLY(AUTH_LINE_TOO_LONG, 500, "5.5.6", "The line of the login is too long",
    "Die Zeile der Anmeldung ist zu lang")
SMTP_REPLY(BAD_BASE64, 501, "5.5.2", "The answer is not valid base64",
    "Die Antwort ist kein gueltiges Base64")
SMTP_REPLY(
    AUTH_CANCELLED, 501, "5.7.0", "The login was cancelled", "Die Anmeldung wurde abgebrochen")
SMTP_REPLY(NO_MECHANISM, 504, "5.5.4", "This way to log in is not offered here",
    "Diese Art der Anmeldung wird hier nicht angeboten")
SMTP_REPLY(NOT_IMPLEMENTED, 502, "5.5.1", "This command is not offered here",
    "Dieser Befehl wird hier nicht angeboten")
SMTP_REPLY(BAD_SEQUENCE, 503, "5.5.1", "The command does not fit at this point",
    "Der Befehl passt nicht an diese Stelle")
SMTP_REPLY(NOT_SMTP, 554, "5.5.1", "This is a mail server and speaks SMTP only",
    "Dies ist ein Mailserver, er spricht nur SMTP")
SMTP_REPLY(EARLY_DATA, 554, "5.5.1", "The message was sent before the server asked for it",
    "Die Nachricht wurde gesendet, bevor der Server sie verlangt hat")
SMTP_REPLY(TLS_INJECTION, 554, "5.5.1", "Data was sent behind STARTTLS before TLS was started",
    "Hinter STARTTLS kamen Daten, bevor TLS begonnen hat")
SMTP_REPLY(TLS_REQUIRED, 530, "5.7.0", "Start TLS first", "Zuerst TLS beginnen")
SMTP_REPLY(AUTH_REQUIRED, 530, "5.7.0",
    "Log in first: your mail program needs user name and password",
    "Zuerst anmelden: das Mailprogramm braucht Benutzername und Passwort")
SMTP_REPLY(AUTH_REFUSED, 535, "5.7.8", "User name or password is wrong",
    "Benutzername oder Passwort ist falsch")
SMTP_REPLY(
    AUTH_NEEDS_TLS, 538, "5.7.11", "Start TLS before the login", "Vor der Anmeldung TLS beginnen")
SMTP_REPLY(BAD_PARAMETER, 555, "5.5.4", "A parameter of MAIL or RCPT is unknown or not offered",
    "Ein Parameter von MAIL oder RCPT ist unbekannt oder wird nicht angeboten")
SMTP_REPLY(NO_RECIPIENTS, 554, "5.5.1", "There is no valid recipient",
    "Es gibt keinen gueltigen Empfaenger")
SMTP_REPLY(XCLIENT_DENIED, 550, "5.7.0", "XCLIENT is not allowed from here",
    "XCLIENT ist von hier nicht erlaubt")

/* Envelope. */
SMTP_REPLY(UTF8_NEEDED, 553, "5.6.7", "This address needs the SMTPUTF8 parameter of MAIL",
    "Diese Adresse braucht den Parameter SMTPUTF8 von MAIL")
SMTP_REPLY(UNKNOWN_RECIPIENT, 550, "5.1.1", "There is no such mailbox here",
    "Diese Mailadresse gibt es hier nicht")
SMTP_REPLY(NOT_YOUR_ADDRESS, 550, "5.7.1", "This login may not send with that sender address",
    "Diese Anmeldung darf nicht mit dieser Absenderadresse senden")
SMTP_REPLY(RELAY_DENIED, 550, "5.7.1", "This server does not take mail for that domain",
    "Dieser Server nimmt fuer diese Domain keine Mail an")

/* Content. */
SMTP_REPLY(TOO_BIG, 552, "5.3.4", "The message is larger than this server accepts",
    "Die Nachricht ist groesser als dieser Server erlaubt")
SMTP_REPLY(BAD_NEWLINES, 550, "5.6.0",
    "The message has a CR or LF that is not part of a CR LF line end",
    "Die Nachricht enthaelt ein CR oder LF, das nicht Teil eines Zeilenendes CR LF ist")
SMTP_REPLY(HEADER_BAD, 550, "5.6.0",
    "The header of the message has a line or a character that is not allowed",
    "Der Kopf der Nachricht enthaelt eine Zeile oder ein Zeichen, das nicht erlaubt ist")
SMTP_REPLY(HEADER_TOO_LONG, 550, "5.6.0", "The header of the message is too long",
    "Der Kopf der Nachricht ist zu lang")
SMTP_REPLY(HEADER_TWICE, 550, "5.6.0",
    "A header field that may stand once stands twice, for example From, To or Subject",
    "Ein Kopffeld, das nur einmal stehen darf, steht zweimal, zum Beispiel From, To oder Subject")
SMTP_REPLY(FROM_MISSING, 550, "5.6.0", "The message has no From field",
    "Der Nachricht fehlt das Kopffeld From")
SMTP_REPLY(FROM_BAD, 550, "5.6.0",
    "An address or name in From, Sender, Resent-From or Resent-Sender is not valid",
    "Eine Adresse oder ein Name in From, Sender, Resent-From oder Resent-Sender ist ungueltig")
SMTP_REPLY(SENDER_MISSING, 550, "5.6.0", "Several addresses in From need a Sender field",
    "Mehrere Adressen in From brauchen ein Kopffeld Sender")
SMTP_REPLY(TOO_MANY_SENDERS, 550, "5.6.0", "The message names too many sender addresses",
    "Die Nachricht nennt zu viele Absenderadressen")
SMTP_REPLY(LOOP, 554, "5.4.6", "The message has passed too many servers: it runs in a loop",
    "Die Nachricht lief ueber zu viele Server, sie laeuft im Kreis")
