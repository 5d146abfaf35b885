#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests: check.sh [STAGE...]
#
#   native   the library on futexes, on this machine          (default)
#   asan     the same under AddressSanitizer and UBSan        (default)
#   sim      the core under seeded schedules, and the bugs planted for it (default)
#   guest    6.1 in QEMU: /dev/kgo, the library on it         (default)
#   kasan    a kernel with all checkers: KUnit, /dev/kgo      (default)
#   tsan     the library under ThreadSanitizer
#   matrix   "guest" on the kernels 6.12 and 7.2
#   kcsan    "guest" on a kernel with the data race checker
#   soak     half an hour of random blocking and garbage, 100 unloads, more failing allocations
#
# Each stage streams what it does. A report of the kernel, a guest that dies, a stage without a single
# test: all of these are failures. The last line is
#
#   N passed, N failed, N skipped
#
# and the exit code is 0 only if nothing failed.
set -u
cd "$(dirname "$0")" || exit 1
here=$PWD
rig=$here/rig
make="${MAKE:-make} --no-print-directory -s -j$(nproc)"

passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '\n== %s\n' "$*"; }

# fail WHAT: a failure that no test program could tell.
fail() {
	echo "not ok - $*"
	failed=$((failed + 1))
}

# count LOG WHAT: add up the summaries of run_tests.sh in a log.
count() {
	local p f s
	read -r p f s < <(awk '
		/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5 }
		END { print p + 0, f + 0, s + 0 }' "$1")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	[ $((p + f)) != 0 ] || fail "$2 ran no tests"
	new_failures=$f
}

# One summary for all of KUnit's cases: they are what is indented once.
# shellcheck disable=SC2016
kunit_summary='
	/^    1\.\.[0-9]+/ { sub(/^ *1\.\./, ""); plan += $1 }
	/^    not ok / { f++; next }
	/^    ok .*# SKIP/ { s++; next }
	/^    ok / { p++ }
	END {
		missing = plan - p - f - s
		printf "%d passed, %d failed, %d skipped\n", p, f + (missing > 0 ? missing : 0), s
	}'

# library NAME SAN: library tests on this machine.
library() {
	local name=$1 san=$2 log=$work/$1
	say "$name: library tests on futexes${san:+ with -fsanitize=$san}"
	if ! $make -C "$here" WHAT=lib SAN="$san"; then
		fail "$name does not build"
		return
	fi
	KGO_BACKEND=futex "$here/run_tests.sh" "$here/build${san:+-${san//,/-}}" 'lib/*' 2>&1 | tee "$log"
	count "$log" "$name"
}

# The simulator prints TAP itself.
simulator() {
	local log=$work/sim
	say 'sim: the core on one thread, under seeded schedules'
	if ! $make -C "$here/sim" all; then
		fail 'sim does not build'
		return
	fi
	{
		$make -C "$here/sim" sim SEEDS="${SEEDS:-1000}"
		$make -C "$here/sim" plants
	} 2>&1 | tee "$log"
	awk '/^ok / { p++ } /^not ok / { f++ } END { printf "%d passed, %d failed, 0 skipped\n", p, f }' "$log" |
		tee -a "$log"
	count "$log" sim
}

# guest NAME KERNEL TIMEOUT [VARIABLE=VALUE...]: everything that needs /dev/kgo.
guest() {
	local name=$1 kernel=$2 timeout=$3 rc obj stage=$work/$1.stage log=$work/$1
	shift 3
	say "$name: building for kernel $kernel"
	if ! obj=$("$rig/module.sh" "$kernel" 2>"$work/build" | tail -1) || [ ! -e "$obj/kgo.ko" ]; then
		cat "$work/build"
		fail "$name: the module does not build"
		return
	fi
	if ! $make -C "$here" STATIC=1; then
		fail "$name: the tests do not build"
		return
	fi
	mkdir -p "$stage/tests/examples"
	if ! $make -C "$here/../userlib/examples" LIB="$here/build-static/userlib" O="$stage/tests/examples" \
		"$stage/tests/examples/samples"; then
		fail "$name: the program of kgo_pipeline does not build"
		return
	fi
	cp "$obj"/*.ko "$stage/"
	cp "$obj"/kmod/samples/*.ko "$stage/" || fail "$name: the samples do not build"
	if ! obj=$("$rig/module.sh" --src "$rig/notifiers" "$kernel" 2>"$work/build" | tail -1); then
		cat "$work/build"
		fail "$name: the module notifiers does not build"
		return
	fi
	cp "$obj/notifiers.ko" "$stage/"
	cp -r "$here/build-static/abi" "$here/build-static/lib" "$here/build-static/tests" "$stage/tests/"
	rm -f "$stage"/tests/*/*.d
	strip --strip-debug "$stage"/tests/abi/* "$stage"/tests/lib/*
	cp "$here/run_tests.sh" "$stage/tests/"
	{
		echo '#!/bin/sh'
		[ $# = 0 ] || printf 'export %s\n' "$@"
		cat "$here/guest.sh"
	} >"$stage/run.sh"
	chmod +x "$stage/run.sh"
	truncate -s 1M "$work/disk"
	"$rig/initramfs.sh" "$work/$name.gz" "$stage"

	say "$name: booting kernel $kernel"
	"$rig/boot.sh" --kernel "$kernel" --timeout "$timeout" --disk "$work/disk" "$work/$name.gz" 2>&1 | tee "$log"
	rc=${PIPESTATUS[0]}
	# KUnit's results come between two marks, as the kernel writes them.
	if [ -e "$stage/kgo_kunit.ko" ]; then
		sed -n '/^# kunit begin/,/^# kunit end/p' "$log" | awk "$kunit_summary" | tee "$work/kunit"
		cat "$work/kunit" >>"$log"
		! grep -q '^0 passed' "$work/kunit" || fail "$name: KUnit ran no tests"
	fi
	count "$log" "$name"
	case $rc in
	0) ;;
	101) fail "$name: the kernel reported a bug, see above" ;;
	124) fail "$name: the guest took longer than $timeout s" ;;
	*) [ "$new_failures" != 0 ] || fail "$name: the guest ended with code $rc" ;;
	esac
	rm -rf "$stage"
}

[ $# -gt 0 ] || set -- native asan sim guest kasan
case " $* " in
*' guest '* | *' kasan '* | *' matrix '* | *' kcsan '* | *' soak '*) "$rig/deps.sh" build guest || exit 1 ;;
*) "$rig/deps.sh" build || exit 1 ;;
esac
case " $* " in *' kasan '* | *' kcsan '*) "$rig/deps.sh" kernel || exit 1 ;; esac

for stage; do
	start=$SECONDS
	case $stage in
	native) library native '' ;;
	asan) library asan address,undefined ;;
	tsan) library tsan thread ;;
	sim) simulator ;;
	guest) guest guest 6.1 1500 ;;
	kasan) guest kasan kasan 2400 KGO_STRESS_SECONDS=10 KGO_TEST_SHORT=1 KGO_LIB_TESTS='"lib/chan_test lib/sync_test lib/block_test lib/sched_test"' ;;
	kcsan) guest kcsan kcsan 2400 KGO_TEST_SHORT=1 KGO_LIB_TESTS='"lib/chan_test lib/block_test"' ;;
	matrix)
		for kernel in 6.12 7.2; do guest "guest-$kernel" "$kernel" 1500; done
		;;
	soak)
		guest soak 6.1 3600 KGO_STRESS_SECONDS=900 KGO_GARBAGE_SECONDS=300 KGO_ABI_TESTS='"abi/stress abi/garbage"'
		guest soak-kasan kasan 3600 KGO_STRESS_SECONDS=600 KGO_GARBAGE_SECONDS=300 KGO_UNLOADS=100 KGO_FAULT_STEP=1 \
			KGO_ABI_TESTS='"abi/stress abi/garbage abi/faults"' KGO_LIB_TESTS=none
		;;
	*)
		echo "check.sh: no stage '$stage'" >&2
		exit 2
		;;
	esac
	echo "== $stage took $((SECONDS - start)) s"
done

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
