#!/bin/sh
# SPDX-License-Identifier: ISC
# demo.sh start|stop: an instance in build/demo on loopback, with one account and a first message.
# Started again it is quick and keeps its data.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build/demo
postern=$top/build/bin/postern
base=${DEMO_PORT_BASE:-20000}
domain=example.test
host=mail.$domain
user=alice@$domain
pidfile=$top/build/demo.pid
output=$top/build/demo.log
password_file=$top/build/demo.password

die()
{
	echo "demo: $*" >&2
	exit 1
}

# The pid of the running demo; nothing when it does not run.
running()
{
	pid=$(cat "$pidfile" 2>/dev/null) || return 1
	[ "$(readlink "/proc/$pid/exe" 2>/dev/null)" != "" ] &&
		tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "--dir $dir" && echo "$pid"
}

wait_ready()
{
	tries=0
	until grep -qx ready "$output"; do
		kill -0 "$1" 2>/dev/null || {
			cat "$output" >&2
			die "the instance ended"
		}
		tries=$((tries + 1))
		[ $tries -lt 300 ] || die "not ready within 30 s, see $output"
		sleep 0.1
	done
}

imap()
{
	curl -sS --cacert "$dir/ca.pem" --resolve "$host:$((base + 993)):127.0.0.1" \
		--user "$user:$password" "imaps://$host:$((base + 993))/$1"
}

start()
{
	new=
	if [ ! -e "$dir/postern.conf" ]; then
		"$postern" init --dir "$dir" --domain $domain --hostname $host --port-base "$base" \
			--listen 127.0.0.1
		new=1
	fi
	if pid=$(running); then
		echo "The demo runs already (process $pid)."
	else
		: >"$output"
		setsid "$postern" run --dir "$dir" </dev/null >>"$output" 2>&1 &
		pid=$!
		echo $pid >"$pidfile"
		wait_ready $pid
	fi
	if [ ! -s "$password_file" ]; then
		(umask 077 && od -An -N9 -tx1 /dev/urandom | tr -d ' \n' >"$password_file")
		new=1
	fi
	password=$(cat "$password_file")
	if [ -n "$new" ]; then
		printf '%s\n' "$password" | "$postern" --dir "$dir" user add $user
		swaks --silent 2 --server "127.0.0.1:$((base + 25))" --helo client.example.net \
			--from first@example.net --to $user --tls \
			--header "Subject: Welcome to Postern" \
			--body "This message came in by SMTP and is read by IMAP." ||
			die "the first message was refused"
	fi
	tries=0
	until text=$(imap "INBOX;UID=1" 2>/dev/null) && [ -n "$text" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || {
			imap "INBOX;UID=1" >&2 || :
			die "the first message cannot be read by IMAP"
		}
		sleep 0.1
	done
	cat <<END
The first message, read by IMAP:

$(printf '%s\n' "$text" | tr -d '\r' | sed 's/^/    /')

Settings for a mail program on this machine:

    incoming  IMAP   127.0.0.1 port $((base + 993)) TLS, or port $((base + 143)) STARTTLS
    outgoing SMTP    127.0.0.1 port $((base + 465)) TLS, or port $((base + 587)) STARTTLS, with the same login
    SMTP in          127.0.0.1 port $((base + 25)) (mail to $user; no login, no relaying)
    user             $user
    password         $password
    certificate of   $host, made by the CA in $dir/ca.pem

Data and log:        $dir
Stop:                make demo-stop   (again: make demo; the data stays)
END
}

stop()
{
	pid=$(running) || {
		echo "The demo does not run."
		return 0
	}
	kill "$pid"
	tries=0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || die "process $pid does not stop"
		sleep 0.1
	done
	rm -f "$pidfile"
	echo "The demo has stopped."
}

case ${1:-} in
start) start ;;
stop) stop ;;
*) die "usage: demo.sh start|stop" ;;
esac
