smtpd_needs := bounce reputation_client net smtp_host smtp spf dkim arc dmarc authres reception idn route mail tls dns daemon settings proc ipc io base
