#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The guest's part of "make run": httpd on libkgo, wrk with 64 connections, the tables while it runs.
#
# Prints "run: requests=N errors=N handoffs=N goroutines_peak=N". Fails if there were errors or no
# hand-offs, or if anything is left over at the end.

connections=64 seconds=8 failed=0
debug=/sys/kernel/debug/kgo

step() { echo; echo "==> $*"; }
fail() { echo "FAILED: $*"; failed=1; }

# field NAME FILE: the number behind NAME.
field() { sed -n "s/.*\<$1[=: \t]*\([0-9][0-9]*\).*/\1/p" "$2" | head -n 1; }

step "inserting kgo.ko"
one-cpu insmod /kgo.ko || exit 1
ls -l /dev/kgo

# By its path: busybox has an httpd, too.
step "starting httpd"
KGO_BACKEND=device /examples/httpd --tick /srv 2>/tmp/httpd.log &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	grep -q listening /tmp/httpd.log && break
	sleep 0.2
done
cat /tmp/httpd.log
wget -q -O - http://127.0.0.1:8080/ || { fail "httpd does not answer"; exit 1; }

step "$connections connections for $seconds s"
wrk -t 2 -c "$connections" -d "${seconds}s" --timeout 15s -s /root/wrk.lua \
	http://127.0.0.1:8080/ >/tmp/wrk.log 2>&1 &
wrk=$!
sleep 4

step "debugfs while it runs: runtimes"
cat $debug/runtimes
table=$(echo $debug/$pid.*)

step "${table##*/}/goroutines"
cat "$table/goroutines" >/tmp/goroutines
head -n 16 /tmp/goroutines
echo "... $(wc -l </tmp/goroutines) lines in all"

step "${table##*/}/sched"
cat "$table/sched" >/tmp/sched
head -n 16 /tmp/sched
echo "... $(wc -l </tmp/sched) lines in all"

wait "$wrk" || fail "wrk"
step "the client says"
cat /tmp/wrk.log

step "${table##*/}/stats"
cat "$table/stats" >/tmp/stats
cat /tmp/stats

step "ending httpd"
kill -TERM "$pid"
wait "$pid" || fail "httpd ended with $?"
tail -n 3 /tmp/httpd.log

step "removing the module"
one-cpu rmmod kgo || fail "rmmod"
if [ -e /dev/kgo ] || [ -e $debug ]; then fail "something is left of the module"; fi

requests=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' /tmp/wrk.log)
# "Socket errors: connect 0, read 0, write 0, timeout 0" and "Non-2xx or 3xx responses: 0", if any.
errors=$(sed -n 's/^ *\(Socket errors\|Non-2xx or 3xx responses\)://p' /tmp/wrk.log |
	tr -cs 0-9 '\n' | awk '{ n += $1 } END { print n + 0 }')
handoffs=$(field handoffs /tmp/stats)
peak=$(field goroutines_peak /tmp/httpd.log)

[ "$errors" = 0 ] || fail "$errors errors"
[ "${requests:-0}" -gt 0 ] || fail "no requests"
[ "${handoffs:-0}" -gt 0 ] || fail "no hand-offs"
[ "${peak:-0}" -gt "$connections" ] || fail "not a goroutine for each connection"
echo "run: requests=${requests:-0} errors=$errors handoffs=${handoffs:-0} goroutines_peak=${peak:-0}"
exit $failed
