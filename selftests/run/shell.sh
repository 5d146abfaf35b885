#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "make shell": a guest with kgo.ko loaded, examples and tests inside, and a shell.
#
# If the input is not a terminal it is run as a script in the guest:
#	echo 'cat /sys/kernel/debug/kgo/runtimes' | make shell
# The exit code is the shell's. KGO_KERNEL=NAME takes another kernel (see ../rig/kernel.sh).
set -eu
. "$(dirname "$0")/stage.sh"

make_tmp "$CACHE"
[ -t 0 ] || cat >"$tmp/input"

{
	"$RIG/deps.sh" build guest
	build_module
	build_lib
	stage_guest "$tmp/stage"
	stage_tests "$tmp/stage"
} >&2

mkdir -p "$tmp/stage/etc"
cp "$TOP/selftests/run/shellrc" "$tmp/stage/etc/shellrc"
boot=("$RIG/boot.sh" --kernel "$kernel" --smp 2 --mem 1G)
if [ -e "$tmp/input" ]; then
	{
		echo '. /etc/shellrc >/dev/null'
		cat "$tmp/input"
	} >"$tmp/stage/root/input"
	boot+=(--run 'sh /root/input')
else
	# init's shell reads the file that $ENV names.
	boot+=(--append ENV=/etc/shellrc --shell)
fi
quietly "$RIG/initramfs.sh" "$tmp/guest.cpio.gz" "$tmp/stage"
step "booting Linux $kernel in QEMU" >&2
"${boot[@]}" "$tmp/guest.cpio.gz"
