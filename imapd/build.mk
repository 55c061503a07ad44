imapd_needs := auth_client imap tls daemon settings ipc io base
imapd_ldlibs :=
