smtpd_needs := smtp_host smtp route mail tls dns daemon settings proc ipc io base
