#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots a guest and returns the exit code of what ran in it.
#
#   boot.sh [OPTION...] INITRAMFS
#
#   --kernel NAME     see kernel.sh (6.1)          --run CMD         run CMD instead of /run.sh
#   --smp N           CPUs (2)                     --append STR      to the kernel's command line
#   --mem M           memory (1G)                  --shell           a shell instead of /run.sh
#   --timeout SEC     for the whole run (300)      --expect-splat    a kernel report is no failure
#   --disk FILE       a disk, /dev/nvme0n1
#   --single-tcg      emulate all CPUs in one thread (tracers need it)
#   --icount          exact instruction counts instead of time (QEMU 10, slow)
#
# Exit code: the guest's own; 101 the guest said 0 but the kernel reported a bug, a warning or a
# leak; 124 timeout; 125 the guest ended without a word (panic); 126 QEMU failed.
# KGO_ACCEL=kvm|tcg overrides the probe for a working KVM.
set -eu
. "$(dirname "$0")/lib.sh"

kernel=6.1 smp=2 mem=1G timeout=300 append='' shell='' splat='' icount='' accel=${KGO_ACCEL:-} run='' disk=''
while [ $# -gt 1 ]; do
	case $1 in
	--kernel) kernel=$2; shift ;;
	--smp) smp=$2; shift ;;
	--mem) mem=$2; shift ;;
	--timeout) timeout=$2; shift ;;
	--append) append+=" $2"; shift ;;
	--run)
		case $2 in *'"'*) die "--run: the kernel's command line cannot hold a double quote" ;; esac
		run=" kgo.run=\"$2\""
		shift
		;;
	--disk) disk=$2; shift ;;
	--shell) shell=1 append+=' kgo.shell=1' ;;
	--expect-splat) splat=1 ;;
	--single-tcg) accel=tcg,thread=single ;;
	--icount) icount=1 accel=tcg,thread=single ;;
	*) die "unknown option $1" ;;
	esac
	shift
done
initramfs=$1
command -v qemu-system-x86_64 >/dev/null || die "no QEMU: run deps.sh guest"
dir=$("$RIG/kernel.sh" "$kernel")

# A /dev/kvm proves nothing (a nested one may not run a stock kernel): once for each boot of this
# machine, try.
kvm_works() {
	local stamp
	[ -w /dev/kvm ] || return 1
	stamp=$CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -e "$stamp" ]; then
		make_tmp "$CACHE"
		mkdir "$tmp/stage"
		"$RIG/initramfs.sh" "$tmp/probe.gz" "$tmp/stage" || return 1
		KGO_ACCEL=kvm "$0" --timeout 20 --run true "$tmp/probe.gz" >/dev/null 2>&1 && echo yes >"$stamp" ||
			echo no >"$stamp"
		say "does KVM run a stock kernel here: $(cat "$stamp")"
	fi
	[ "$(cat "$stamp")" = yes ]
}
[ -n "$accel" ] || { kvm_works && accel=kvm || accel=tcg; }

qemu=qemu-system-x86_64 machine=()
if [ -n "$icount" ]; then
	qemu=$("$RIG/qemu10.sh")
	machine=(-icount 'shift=1,sleep=off' -rtc 'base=2024-01-01,clock=vm' -seed 1)
	append+=' nokaslr mitigations=off'
fi
case $accel in kvm) cpu=host ;; *) cpu=max ;; esac
machine+=(-M q35 -accel "$accel" -cpu "$cpu" -smp "$smp" -m "$mem" -nodefaults -no-user-config -nic none
	-display none -no-reboot
	-kernel "$dir/boot" -initrd "$initramfs"
	${disk:+-drive "file=$disk,if=none,id=disk,format=raw" -device nvme,drive=disk,serial=kgo}
	-append "console=ttyS0 quiet panic=-1 oops=panic tsc=reliable$append$run")

exitcode=$(mktemp "$CACHE/exit.XXXXXX") log=$exitcode.log
trap 'rm -rf "$exitcode" "$log" "${tmp:-$log}"' EXIT
set +e
if [ -n "$shell" ]; then
	"$qemu" "${machine[@]}" -serial mon:stdio -serial "file:$exitcode"
	rc=$?
	stty sane
	: >"$log"
else
	timeout --foreground -k 5 "$timeout" "$qemu" "${machine[@]}" -serial stdio -serial "file:$exitcode" </dev/null |
		sed -u 's/\r*$//' | tee "$log"
	rc=${PIPESTATUS[0]}
fi
set -e
case $rc in
0) rc=$(tr -dc 0-9 <"$exitcode") ;;
124 | 137) say "timeout after $timeout s"; exit 124 ;;
*) say "QEMU failed"; exit 126 ;;
esac
[ -n "$rc" ] || { say "the guest ended without an exit code"; rc=125; }

# Lines of the kernel start with their time, those of init's leak report with a word.
stamp='\[ *[0-9]+\.[0-9]{6}\]'
what='BUG:|WARNING:|Oops|KASAN|KCSAN|UBSAN|ODEBUG|kernel BUG|INFO: (possible|task .* blocked|rcu|trying to register)'
what+='|detected stalls|general protection|Kernel panic|double fault|scheduling while atomic|list_(add|del) corruption'
what+='|refcount_t|page dumped because|unable to handle|unexpected(ly)? .*(trap|exception)|still has locks held'
if [ -z "$splat" ] && grep -qE "$stamp.*($what)|^kmemleak: unreferenced object" "$log"; then
	say "the kernel reported:"
	grep -E "$stamp.*($what)|^kmemleak: unreferenced object" "$log" | head -5 >&2
	[ "$rc" != 0 ] || rc=101
fi
exit "$rc"
