#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "make bench-kernel": figures of goroutines in the kernel beside those of what kernel code uses otherwise.
#
#	BENCH=NAME	only figures whose names start so
#	RUNS=N		runs of each measurement (5)
#
# On stdout a line for each figure and nothing else, in the form of bench.sh:
#	figure NAME backend=kernel kgo=VALUE peer=NAME:VALUE ratio=KGO/PEER unit=ns runs=N
# One boot of Debian's 6.1 with one CPU, whose clock counts instructions (2 ns each), so that the values are
# the same on a busy machine. KGO_KERNEL=NAME takes another kernel; TIME=1 a guest with a clock of its own,
# where the values are times, of an emulator or not, and change from run to run.
set -eu -o pipefail
. "$(dirname "$0")/../run/stage.sh"
. "$(dirname "$0")/figures.sh"

here=$TOP/selftests/bench
clock=(--icount)
[ -z "${TIME:-}" ] || clock=()

measure() {
	build_module
	build_lib
	mkdir -p "$tmp/stage/bin"
	quietly gcc -std=gnu11 -O2 -Wall -Wextra -static -I"$TOP"/userlib/include -I"$TOP"/kmod/core/include \
		-I"$TOP"/uapi -o "$tmp/stage/bin/feed" "$here/feed.c" "$user/libkgo.a" -pthread
	cp "$module" "$tmp/stage/kgo.ko"
	cp "${module%/*}/kmod/samples/kgo_bench.ko" "$tmp/stage/"
	install -m 755 "$here/kernel-guest.sh" "$tmp/stage/run.sh"
	quietly "$RIG/initramfs.sh" "$tmp/guest.cpio.gz" "$tmp/stage"
	step "in a guest with Linux $kernel"
	"$RIG/boot.sh" --kernel "$kernel" --smp 1 --mem 2G ${clock[@]+"${clock[@]}"} --run "/run.sh $RUNS $BENCH" \
		--timeout 1200 "$tmp/guest.cpio.gz" | tee "$tmp/guest.log"
	grep '^sample ' "$tmp/guest.log" | while read -r line; do
		read -r _ name _ <<<"$line"
		! wanted "$name" || echo "$line"
	done >&3
}

make_tmp "$CACHE"
exec 3>"$tmp/samples"
{
	"$RIG/deps.sh" build guest
	measure
} >&2
figures "$tmp/samples"
