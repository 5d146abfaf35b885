#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "make run": a web server of goroutines in a guest with kgo.ko, under load, seen from outside.
#
# The last line of output is the result; see guest.sh for what is done in the guest.
# KGO_KERNEL=NAME takes another kernel (see ../rig/kernel.sh).
set -eu -o pipefail
. "$(dirname "$0")/stage.sh"

step "looking for missing packages"
"$RIG/deps.sh" build guest
build_module
build_lib

step "packing the guest"
make_tmp "$CACHE"
stage_guest "$tmp/stage"
install -m 755 "$TOP/selftests/run/guest.sh" "$tmp/stage/run.sh"
quietly "$RIG/initramfs.sh" "$tmp/guest.cpio.gz" "$tmp/stage"

step "booting Linux $kernel in QEMU"
rc=0
"$RIG/boot.sh" --kernel "$kernel" --smp 2 --mem 1G --timeout 110 "$tmp/guest.cpio.gz" |
	tee "$tmp/log" | grep --line-buffered -v '^run: ' || rc=$?

result=$(grep '^run: ' "$tmp/log" || true)
[ "$rc" = 0 ] || say "the guest failed ($rc)"
if [ -z "$result" ]; then
	say "no result"
	exit 1
fi
echo "$result"
exit "$rc"
