#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The guest's part of kernel.sh: kernel-guest.sh RUNS [NAME]. Prints the samples.

runs=$1 bench=$2
dir=/sys/kernel/debug/kgo_bench

wanted() { case $1 in "$bench"*) ;; *) case $bench in "$1"_*) ;; *) return 1 ;; esac ;; esac }

insmod /kgo.ko || exit 1
insmod /kgo_bench.ko || exit 1
sleep 20 # what a kernel has to do after its boot; costs nothing by a clock of instructions
run=0
while [ $run -lt "$runs" ]; do
	run=$((run + 1))
	echo "run $run of $runs"
	for file in "$dir"/*; do
		name=${file##*/}
		case $name in div | feed) continue ;; esac
		wanted "$name" || continue
		# Memory does not change from run to run, and is to be that of a million.
		div=4
		if [ "$name" = parked ]; then
			[ $run = 1 ] || continue
			div=1
		fi
		echo $div >$dir/div
		samples=$(cat "$file") || exit 1
		echo "$samples" | while read -r figure peer kgo other; do
			echo "sample $figure kernel $peer $kgo $other"
		done
	done
	if wanted kchan; then
		both=$(BENCH_DIV=10 KGO_BACKEND=device KGO_PROCS=1 feed) || exit 1
		echo "sample kchan kernel pipe $both"
	fi
done
rmmod kgo_bench || exit 1
rmmod kgo
