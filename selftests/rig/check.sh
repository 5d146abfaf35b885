#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests the rig itself: check.sh [KERNEL...], default 6.1 and kasan. Prints TAP.
#
# On stock kernels: exit codes, panics, timeouts and warnings all arrive as boot.sh promises. On checking
# kernels: every checker reports the bug that is planted for it (see planted/), one boot each.
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || set -- 6.1 kasan
make_tmp "$CACHE"
n=0 failed=0

# want NAME CODE PATTERN BOOT-ARGUMENT...: this boot returns CODE and its console matches PATTERN.
want() {
	local name=$1 code=$2 pattern=$3 rc=0 start=$SECONDS
	shift 3
	"$RIG/boot.sh" --kernel "$kernel" "$@" "$tmp/planted.gz" >"$tmp/log" 2>&1 || rc=$?
	n=$((n + 1))
	if [ "$rc" = "$code" ] && grep -qE "$pattern" "$tmp/log"; then
		echo "ok $n - $kernel: $name # $((SECONDS - start)) s"
	else
		echo "not ok $n - $kernel: $name # exit code $rc (wanted $code), wanted on the console: $pattern"
		sed 's/^/#   /' "$tmp/log" | tail -60
		failed=1
	fi
}

plant() { echo "insmod /planted.ko bug=$1"; }

stock() {
	want 'exit code 0' 0 '^hello$' --run 'echo hello'
	want 'exit code 7' 7 '' --run 'exit 7'
	want 'exit code 139 of a killed program' 139 '' --run "sh -c 'kill -SEGV \$\$'"
	want 'a panic has no exit code' 125 'Kernel panic' --run 'echo c >/proc/sysrq-trigger'
	want 'timeout' 124 '' --timeout 8 --run 'sleep 60'
	want 'a warning fails the run' 101 'WARNING: .*warn' --run "$(plant warn)"
	want 'a warning that was expected does not' 0 'WARNING: .*warn' --expect-splat --run "$(plant warn)"
	want 'an oops is a panic' 125 'Kernel panic' --run "$(plant oops)"
	want 'files of the guest' 0 '' --run 'test -w /dev/shm -a -d /sys/kernel/debug/tracing -a -e /sys/fs/cgroup/cgroup.procs -a -e /sys/kernel/tracing/trace'
	want 'two CPUs' 0 '^2$' --run nproc
	want 'one CPU, single-threaded emulation' 0 '^1$' --smp 1 --single-tcg --run nproc
}

for kernel; do
	mkdir -p "$tmp/stage"
	cp "$("$RIG/module.sh" --src "$RIG/planted" "$kernel" 2>/dev/null | tail -1)/planted.ko" "$tmp/stage/"
	# The park checks are kgo's own.
	[ "$kernel" != kasan ] || cp "$("$RIG/module.sh" kasan 2>/dev/null | tail -1)/kgo.ko" "$tmp/stage/"
	"$RIG/initramfs.sh" "$tmp/planted.gz" "$tmp/stage"
	case $kernel in
	kasan)
		want 'nothing planted, nothing reported' 0 '^hello$' --run 'echo hello'
		want 'KASAN' 101 'BUG: KASAN: (slab-)?use-after-free in planted_init|BUG: KASAN: .*use_after_free' \
			--append kgo.kmemleak=0 --run "$(plant use_after_free)"
		want 'lockdep' 101 'WARNING: possible circular locking' --append kgo.kmemleak=0 --run "$(plant lock_order)"
		want 'sleep in atomic' 101 'BUG: scheduling while atomic|BUG: sleeping function called from invalid' \
			--append kgo.kmemleak=0 --run "$(plant sleep_in_atomic)"
		want 'park checks' 101 'BUG: kgo: goroutine [0-9]+ .* parks in kgo_mutex_lock\(\) with preemption off' \
			--append kgo.kmemleak=0 --run "insmod /kgo.ko && $(plant park_in_atomic)"
		want 'UBSAN' 101 'UBSAN: shift-out-of-bounds' --append kgo.kmemleak=0 --run "$(plant shift_out_of_bounds)"
		want 'kmemleak' 101 '^kmemleak: unreferenced object' --run "$(plant leak)"
		;;
	kcsan)
		want 'KCSAN' 101 'BUG: KCSAN: data-race in racer' --append kgo.kmemleak=0 --run "$(plant racy_counter)"
		;;
	*) stock ;;
	esac
done
echo "1..$n"
exit "$failed"
