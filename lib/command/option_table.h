/* SPDX-License-Identifier: ISC */
/*
 * Options of commands that the running instance carries out; no include guard. A command takes those
 * of a group when "[--GROUP]" stands among its arguments in command_table.h.
 *
 *   COMMAND_OPTION(id, group, name, value, help)
 *       value  what follows it, or "": it stands alone
 */
COMMAND_OPTION(sender, FILTER, "sender", "ADDRESS",
    "Messages with this reverse-path; @DOMAIN: of this domain; <>: without one.")
COMMAND_OPTION(recipient, FILTER, "recipient", "ADDRESS",
    "Messages that still have to go to this address, or to an address of @DOMAIN.")
COMMAND_OPTION(domain, FILTER, "domain", "DOMAIN",
    "Messages that still have to go to this domain.")
COMMAND_OPTION(older, FILTER, "older", "AGE",
    "Messages that arrived longer ago; an age is a number and s, m, h or d.")
COMMAND_OPTION(newer, FILTER, "newer", "AGE", "Messages that arrived since then.")
COMMAND_OPTION(state, FILTER, "state", "STATE",
    "Messages in this state: waiting, deferred, sending, held or failed.")
COMMAND_OPTION(all, FILTER, "all", "", "All messages.")
COMMAND_OPTION(after, PAGE, "after", "ID", "Go on behind this message.")
COMMAND_OPTION(limit, PAGE, "limit", "NUMBER", "Not more than so many messages.")
COMMAND_OPTION(lang, LANG, "lang", "LANGUAGE", "Language of the answer: en or de; en if it is not given.")
COMMAND_OPTION(allow_downgrade, UPDATE, "allow-downgrade", "", "Take an older system than the running one, too.")
COMMAND_OPTION(reboot, UPDATE, "reboot", "", "Start the new system at once.")
COMMAND_OPTION(keys, UPDATE, "keys", "FILE", "Public keys of those who may sign systems; /etc/postern/update-keys.")
COMMAND_OPTION(machine, MACHINE, "machine", "FILE", "What tells the slots of this machine; /run/postern/slot.")
COMMAND_OPTION(ca, SERVER, "ca", "FILE", "Certificates of those who may vouch for an HTTPS server; /etc/ssl/certs/ca-certificates.crt.")
COMMAND_OPTION(login, SERVER, "login", "FILE", "What an HTTPS server asks for: name:password in the first line of a file.")
COMMAND_OPTION(key, SEAL, "key", "FILE", "Seal with the key in this file, made by: postern backup key FILE.")
COMMAND_OPTION(passphrase, SEAL, "passphrase", "", "Seal with a passphrase, which is asked for or read as one line from standard input.")
COMMAND_OPTION(wait, WAIT, "wait", "SECONDS", "How long to wait until all answer; 60.")
COMMAND_OPTION(answers, SETUP, "answers", "FILE", "Take the answers from a file instead of asking: lines of name=value.")
COMMAND_OPTION(save, SETUP, "save", "FILE", "Ask, and only write the answers to a new file that others cannot read.")
COMMAND_OPTION(check, SETUP, "check", "FILE", "Only tell what is wrong with a file of answers.")
COMMAND_OPTION(summary, SETUP, "summary", "", "Only tell the DNS records of an instance that is there, and on a terminal a QR code with what telephones need.")
