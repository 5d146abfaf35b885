#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The guest's part of bench.sh: guest.sh RUNS [NAME]. Prints the samples.

runs=$1 bench=$2

wanted() { case $1 in "$bench"*) ;; *) case $bench in "$1"_*) ;; *) return 1 ;; esac ;; esac }

insmod /kgo.ko || exit 1
sleep 20 # what a kernel has to do after its boot; costs nothing by this guest's clock
export KGO_BACKEND=device KGO_PROCS=1 GOMAXPROCS=1
run=0
while [ $run -lt "$runs" ]; do
	run=$((run + 1))
	echo "run $run of $runs"
	if wanted block_gap; then
		if [ $((run % 2)) = 1 ]; then
			k=$(block_gap /bin/feeder) || exit 1
			g=$(block_gap.go /bin/feeder) || exit 1
		else
			g=$(block_gap.go /bin/feeder) || exit 1
			k=$(block_gap /bin/feeder) || exit 1
		fi
		echo "sample block_gap_mean device go ${k% *} ${g% *}"
		echo "sample block_gap_p99 device go ${k#* } ${g#* }"
	fi
	if wanted getppid; then
		both=$(getppid) || exit 1
		echo "sample getppid device thread $both"
	fi
	if wanted kchan; then
		both=$(BENCH_DIV=20 kchan) || exit 1
		echo "$both" | {
			read -r one piped
			echo "sample kchan device pipe $one $piped"
			read -r many piped
			echo "sample kchan_many device pipe $many $piped"
		}
	fi
done

# One run: by this clock the next would be the same.
export BENCH_DIV=20
while read -r name; do
	wanted "${name}_1p" || continue
	k=$("$name") || exit 1
	g=$("$name.go") || exit 1
	echo "sample ${name}_1p device go $k $g"
done </programs
rmmod kgo
