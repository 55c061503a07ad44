/* SPDX-License-Identifier: ISC */
/*
 * Every command of postern(8); no include guard. Parser, --help, man page, routing and the names of
 * JSON members are made from it.
 *
 *   COMMAND(id, words, owner, arguments, secret, columns, help)
 *       owner      who carries it out: local (the command line itself), control, accounts, queue,
 *                  logger
 *       arguments  "ADDRESS", "[ADDRESS]" optional, "TARGET..." one or more; options of local
 *                  commands as they are typed
 *                  "[--GROUP]": the options of a group in option_table.h
 *       secret     SECRET: a password is read from standard input or asked for
 *       columns    names of the cells of each row, separated by commas
 */
COMMAND(init, "init", local, "--domain DOMAIN --hostname HOST [--port-base N] [--listen ADDR]...",
    NOSECRET, "", "Make an instance in the directory: settings, private CA, certificates, keys. DOMAIN is the part of your addresses behind @, HOST the name of this machine in the DNS. With --port-base each port is N higher; ADDR is an IP address to listen on, 127.0.0.1 if there is none.")
COMMAND(setup, "setup", local, "[--SETUP] [--LANG]", NOSECRET, "name,type,value",
    "Make an instance from answers: ask what it needs, make it with a first account, tell its DNS records.")
COMMAND(run, "run", local, "", NOSECRET, "", "Run the instance in the foreground.")
COMMAND(status, "status", control, "", NOSECRET, "program,instance,pid,state,restarts,uptime,sandbox",
    "Show the processes of the running instance.")
COMMAND(reload, "reload", control, "", NOSECRET, "", "Read settings and certificates again.")

COMMAND(user_add, "user add", accounts, "ADDRESS", SECRET, "",
    "Make an account with a mailbox; the password is read from standard input.")
COMMAND(user_list, "user list", accounts, "", NOSECRET,
    "address,account,state,quota_bytes,quota_messages,hidden",
    "List all accounts.")
COMMAND(user_remove, "user remove", accounts, "ADDRESS", NOSECRET, "",
    "Remove an account; its mail is kept in DIR/removed.")
COMMAND(user_passwd, "user passwd", accounts, "ADDRESS", SECRET, "",
    "Set a new password; open sessions end.")
COMMAND(user_suspend, "user suspend", accounts, "ADDRESS", NOSECRET, "",
    "Lock an account: no login, mail to it is refused.")
COMMAND(user_resume, "user resume", accounts, "ADDRESS", NOSECRET, "",
    "Unlock a suspended account.")

COMMAND(user_allow, "user allow", accounts, "ADDRESS SENDER", NOSECRET, "",
    "Take mail of a sender in spite of lists: for this account and from this exact address, though a blocklist names the sender's server, and without the delay of the greylist; nothing else is lifted by it. Only the user may want that; it is logged.")
COMMAND(user_allowed, "user allowed", accounts, "[ADDRESS]", NOSECRET, "address,sender",
    "List the senders that accounts allow.")
COMMAND(user_disallow, "user disallow", accounts, "ADDRESS SENDER", NOSECRET, "",
    "Let lists decide about a sender again: blocklists and the greylist.")
COMMAND(user_quota, "user quota", accounts, "ADDRESS BYTES MESSAGES", NOSECRET, "",
    "Limit a mailbox: BYTES with K, M, G or T behind it; none, or default (mailbox.quota-...). A full one gets no mail.")
COMMAND(user_hide, "user hide", accounts, "ADDRESS CAPABILITY...", NOSECRET, "",
    "Do not announce IMAP capabilities: for a program that cannot live with them. They take the place of those hidden before; none: all are announced. From the next login on.")

COMMAND(app_password_add, "app-password add", accounts, "ADDRESS NAME", NOSECRET,
    "address,name,password", "Make a password for one program or device: it is shown once.")
COMMAND(app_password_list, "app-password list", accounts, "[ADDRESS]", NOSECRET,
    "address,name,created", "List app passwords by their names.")
COMMAND(app_password_remove, "app-password remove", accounts, "ADDRESS NAME", NOSECRET, "",
    "Take an app password back; all open sessions of the account end.")

COMMAND(domain_add, "domain add", accounts, "DOMAIN", NOSECRET, "", "Take mail for a domain.")
COMMAND(domain_list, "domain list", accounts, "", NOSECRET, "domain,accounts", "List all domains.")
COMMAND(domain_remove, "domain remove", accounts, "DOMAIN", NOSECRET, "",
    "Stop taking mail for a domain: it must have no accounts left.")

COMMAND(alias_add, "alias add", accounts, "ADDRESS TARGET...", NOSECRET, "",
    "Give an address to one or more others; replaces an older alias.")
COMMAND(alias_list, "alias list", accounts, "", NOSECRET, "address,targets", "List all aliases.")
COMMAND(alias_remove, "alias remove", accounts, "ADDRESS", NOSECRET, "", "Remove an alias.")

COMMAND(forward_add, "forward add", accounts, "ADDRESS TARGET...", NOSECRET, "",
    "Send on what an account gets: to one or more addresses more.")
COMMAND(forward_keep, "forward keep", accounts, "ADDRESS YES-OR-NO", NOSECRET, "",
    "Whether the own mailbox gets a copy, too; at first it does.")
COMMAND(forward_list, "forward list", accounts, "", NOSECRET, "address,keep,targets",
    "List all forwards.")
COMMAND(forward_remove, "forward remove", accounts, "ADDRESS [TARGET]", NOSECRET, "",
    "Stop sending on to one target, or to all.")

COMMAND(send_as_add, "send-as add", accounts, "ACCOUNT ADDRESS", NOSECRET, "",
    "Let an account send as another address: one that is not its alone, such as that of a group.")
COMMAND(send_as_list, "send-as list", accounts, "", NOSECRET, "account,addresses",
    "List the addresses accounts may send as: those besides their own.")
COMMAND(send_as_remove, "send-as remove", accounts, "ACCOUNT ADDRESS", NOSECRET, "",
    "Take such a right back.")

COMMAND(config_list, "config list", local, "", NOSECRET, "setting,value,default,help",
    "List all settings.")
COMMAND(config_get, "config get", local, "SETTING", NOSECRET, "setting,value",
    "Print one setting.")
COMMAND(config_set, "config set", local, "SETTING VALUE", NOSECRET, "",
    "Change one setting; a running instance takes it over. With - for VALUE a password is read from standard input.")
COMMAND(config_check, "config check", local, "", NOSECRET, "",
    "Check postern.conf and tell every error.")

COMMAND(explain, "explain", local, "CODE [--LANG]", NOSECRET,
    "code,smtp,enhanced,reason,reply,who,advice",
    "Explain a refusal: by the code in its reply (P506 or 506) or the reason in the log; all explains every one.")

COMMAND(policy, "policy", local, "[--LANG]", NOSECRET, "service,check,setting,text",
    "Tell in words which checks are active: as postern.conf says.")
COMMAND(trace, "trace", logger, "WHAT [--LANG]", NOSECRET, "time,id,program,event,text",
    "Tell the story of messages from the log; WHAT is an id of a session or message, an address or a Message-ID.")

COMMAND(queue_list, "queue list", queue, "[ID...] [--FILTER] [--PAGE]", NOSECRET,
    "id,arrived,size,state,attempts,reverse_path,recipients",
    "List the messages in the queue, oldest first.")
COMMAND(queue_show, "queue show", queue, "ID", NOSECRET, "name,value",
    "Show one message: envelope, attempts, answers, header.")
COMMAND(queue_hold, "queue hold", queue, "[ID...] [--FILTER]", NOSECRET, "",
    "Keep messages back until they are released.")
COMMAND(queue_release, "queue release", queue, "[ID...] [--FILTER]", NOSECRET, "",
    "Let messages go that were held.")
COMMAND(queue_retry, "queue retry", queue, "[ID...] [--FILTER]", NOSECRET, "",
    "Try messages now that wait for their time.")
COMMAND(queue_redirect, "queue redirect", queue, "ADDRESS [ID...] [--FILTER]", NOSECRET,
    "id,new_id", "Send messages to another address instead.")
COMMAND(queue_remove, "queue remove", queue, "[ID...] [--FILTER]", NOSECRET, "",
    "Remove messages; nobody is told.")

COMMAND(mailbox_check, "mailbox check", accounts, "ADDRESS", NOSECRET,
    "what,name,read,damaged,detail",
    "Name what is damaged in a mailbox: every record and message is read.")
COMMAND(mailbox_rebuild, "mailbox rebuild", accounts, "ADDRESS", NOSECRET,
    "what,name,read,damaged,detail",
    "Make the index of a mailbox anew: from its journal; UIDs, flags and MODSEQs stay as they are.")

/* The longer words first: the first row that fits is taken. */
COMMAND(backup_key, "backup key", local, "FILE", NOSECRET, "",
    "Make a new key file for sealed backups.")
COMMAND(backup, "backup", local, "TARGET [--SEAL] [--SERVER]", NOSECRET, "",
    "Copy the running instance: into an empty directory; with --key or --passphrase sealed, into a directory or to an https:// address, in place of its last backup there.")
COMMAND(restore, "restore", local, "TARGET [--SEAL] [--SERVER]", NOSECRET, "",
    "Make an instance from a backup; UIDs, passwords and keys stay as they were.")
COMMAND(update_confirm, "update confirm", local, "[--MACHINE] [--WAIT]", NOSECRET, "service,address,port,answer",
    "Keep the running system of an appliance: for the next boots, when all its services answer.")
COMMAND(update, "update", local, "FILE [--UPDATE] [--MACHINE] [--SERVER]", NOSECRET, "",
    "Update an appliance: check a signed system and write it beside the running one, for the next boot. FILE can be an https:// address.")

COMMAND(accounts_export, "accounts export", accounts, "", NOSECRET, "key,value",
    "Print the accounts database: in hexadecimal, for backups.")
