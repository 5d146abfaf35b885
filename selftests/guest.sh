# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# What runs inside the guest; check.sh puts settings in front of it:
#
#   KGO_ABI_TESTS, KGO_LIB_TESTS   patterns of test programs, default all; "none" for none
#   KGO_UNLOADS                    how often kgo_unload comes and goes, default 10
#
# Summaries in the form of run_tests.sh are what counts. Whatever else goes wrong here is told as one
# more failure by the exit code.

bad=0
cd /tmp || exit 1
wrong() {
	echo "not ok - $*"
	bad=1
}

# So that kgo.ko can come and go: see notifiers.c.
one-cpu insmod /notifiers.ko || wrong 'insmod notifiers.ko'

# Where allocations can be made to fail: also those that may wait, and without a word.
faults=/sys/kernel/debug/failslab pages=/sys/kernel/debug/fail_page_alloc
if [ -e $faults ]; then
	for knob in $faults/ignore-gfp-wait $pages/ignore-gfp-wait $pages/ignore-gfp-highmem; do
		echo N >"$knob" || wrong "$knob"
	done
	for knob in $faults/verbose $pages/verbose $pages/min-order; do
		echo 0 >"$knob" || wrong "$knob"
	done
fi

if [ -e /kgo_kunit.ko ]; then
	insmod /kgo.ko || wrong 'insmod kgo.ko'
	dmesg -c >/dev/null
	insmod /kgo_kunit.ko || wrong 'insmod kgo_kunit.ko'
	echo '# kunit begin'
	dmesg | sed 's/^\[[^]]*\] //'
	echo '# kunit end'
	rmmod kgo_kunit || wrong 'rmmod kgo_kunit'
	rmmod kgo || wrong 'rmmod kgo after KUnit'
fi

insmod /kgo.ko || wrong 'insmod kgo.ko'
# lifecycle removes and inserts the module again after each of its tests.
export KGO_KO=/kgo.ko
# shellcheck disable=SC2086 # patterns
sh /tests/run_tests.sh /tests ${KGO_ABI_TESTS:-'abi/*'} || bad=1
if [ "${KGO_LIB_TESTS:-}" != none ]; then
	export KGO_TEST_SHORT=1 KGO_BACKEND=device
	# shellcheck disable=SC2086
	sh /tests/run_tests.sh /tests ${KGO_LIB_TESTS:-'lib/*'} || bad=1
fi

if [ -e /kgo_hello.ko ]; then
	echo '# the sample: goroutines in the kernel'
	if insmod /kgo_hello.ko && rmmod kgo_hello; then
		dmesg | grep -i 'kgo_hello' | tail -5
		echo '1 passed, 0 failed, 0 skipped'
	else
		wrong 'the sample module kgo_hello'
	fi
	# A goroutine that is in no client keeps its module, until it has ended.
	if insmod /kgo_hello.ko linger_ms=3000; then
		if rmmod kgo_hello 2>/dev/null; then
			wrong 'a module went while its goroutine slept'
		else
			until rmmod kgo_hello 2>/dev/null; do sleep 1; done
			echo '1 passed, 0 failed, 0 skipped'
		fi
	else
		wrong 'kgo_hello with linger_ms'
	fi
fi

# until_gone MODULE: rmmod, refused for as long as a goroutine in no client lives.
until_gone() {
	tries=0
	until rmmod "$1" 2>/dev/null; do
		tries=$((tries + 1))
		if [ $tries = 3000 ]; then
			wrong "$1 cannot be removed"
			return 1
		fi
		usleep 10000
	done
}

# unloads N: kgo_unload comes and goes at any moment, and every fifth time kgo with it.
unloads() {
	i=0
	while [ $i -lt "$1" ]; do
		i=$((i + 1))
		insmod /kgo_unload.ko panic=$((i % 4 == 0)) || return 1
		if rmmod kgo 2>/dev/null; then
			wrong 'kgo went under kgo_unload'
			return 1
		fi
		until_gone kgo_unload || return 1
		if [ $((i % 5)) = 0 ]; then
			until_gone kgo && insmod /kgo.ko || return 1
		fi
	done
}

if [ -e /kgo_unload.ko ]; then
	echo '# the sample: a module that may go at any moment'
	ok=0
	if unloads "${KGO_UNLOADS:-10}"; then ok=$((ok + 1)); else wrong 'kgo_unload'; fi
	# An init that fails with all of its goroutines alive.
	if insmod /kgo_unload.ko fail=1 2>/dev/null; then
		wrong 'kgo_unload with fail'
	else
		ok=$((ok + 1))
	fi
	# One in no client, parked for good.
	insmod /kgo_unload.ko stray=1 || wrong 'kgo_unload with stray'
	if rmmod kgo_unload 2>/dev/null; then
		wrong 'a module went while its goroutine was parked'
	elif echo 0 >/sys/module/kgo_unload/parameters/stray && until_gone kgo_unload; then
		ok=$((ok + 1))
	fi
	echo "$ok passed, 0 failed, 0 skipped"
fi

# Does the table say of each stage of kgo_pipeline who it is, who started it, where it waits, whose it is?
# They run every now and then, so it is read until all three have been seen to wait.
table_names_pipeline() {
	for stage in batch smooth measure; do
		n=0
		until awk -F '  +' -v stage="$stage [kgo_pipeline]" '
			NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
			$column["start"] != stage { next }
			$column["state"] == "waiting" && $column["wait_site"] == stage &&
				$column["created_by"] ~ /^pipeline_start at .*kgo_pipeline\.c:[0-9]+$/ &&
				$column["client"] == "kgo_pipeline" { found = 1 }
			END { exit !found }' /sys/kernel/debug/kgo/kernel/goroutines; do
			n=$((n + 1))
			if [ $n = 500 ]; then
				cat /sys/kernel/debug/kgo/kernel/goroutines
				return 1
			fi
		done
	done
}

if [ -e /kgo_pipeline.ko ]; then
	echo '# the sample: a driver whose samples a program gets, in time and too late'
	ok=0
	insmod /kgo_pipeline.ko period_us=1000 || wrong 'the sample module kgo_pipeline'
	for late in 0 50; do
		if KGO_BACKEND=device /tests/examples/samples 300 $late >samples; then
			tail -1 samples
			ok=$((ok + 1))
		else
			cat samples
			wrong "samples 300 $late"
		fi
	done
	if grep -q ' 0 dropped' samples; then wrong 'nothing was dropped'; fi
	if table_names_pipeline; then ok=$((ok + 1)); else wrong 'the table of kernel goroutines'; fi
	rmmod kgo_pipeline || wrong 'rmmod kgo_pipeline'
	echo "$ok passed, 0 failed, 0 skipped"
fi

if [ -e /kgo_bench.ko ]; then
	echo '# the measurements of kgo_bench, a few rounds of each'
	bench=/sys/kernel/debug/kgo_bench figures=0
	insmod /kgo_bench.ko || wrong 'the sample module kgo_bench'
	echo 10000 >$bench/div
	for name in "$bench"/*; do
		case $name in */div | */feed) continue ;; esac
		if cat "$name" >figure && grep -qE '^[a-z_]+ [a-z_]+ [0-9.]+ [0-9.]+$' figure; then
			cat figure
			figures=$((figures + 1))
		else
			wrong "the measurement ${name##*/}"
		fi
	done
	rmmod kgo_bench || wrong 'rmmod kgo_bench'
	echo "$figures passed, 0 failed, 0 skipped"
fi

rmmod kgo || wrong 'rmmod kgo at the end'
[ ! -e /sys/module/kgo ] || wrong 'something of kgo is left'
[ ! -e /sys/kernel/debug/kgo ] || wrong 'a folder of debugfs is left'
exit $bad
