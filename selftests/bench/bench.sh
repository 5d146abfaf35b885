#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "make bench": figures of kgo beside those of its peers, measured in turns.
#
#	BENCH=NAME	only figures whose names start so
#	RUNS=N		runs of each program (5)
#
# On stdout a line for each figure and nothing else:
#	figure NAME backend=device|futex kgo=VALUE peer=NAME:VALUE ratio=KGO/PEER unit=ns runs=N
# The values are medians over the runs. What needs no device is measured on this machine, as NAME with
# all its CPUs and as NAME_1p with one processor. What needs it is measured in a guest with two CPUs and
# one processor, whose clock counts instructions (2 ns each): load on this machine does not matter there.
# There the programs also run once each on the device, with a fraction of their counts.
set -eu -o pipefail
. "$(dirname "$0")/../run/stage.sh"
. "$(dirname "$0")/figures.sh"

here=$TOP/selftests/bench
bin=$user/bench
native=(spawn pingpong yield chan select fan mutex sieve skynet sleep curve timers fire)
# Too large for a guest, or bound by a clock that only counts instructions.
not_in_guest=' sleep curve timers fire '

build() {
	local go f name
	step "building the benchmarks"
	go=$("$RIG/go.sh")
	export GOCACHE=$CACHE/go-cache
	mkdir -p "$bin"
	for f in "$here"/*.c; do
		name=$(basename "$f" .c)
		quietly gcc -std=gnu11 -O2 -Wall -Wextra -fno-omit-frame-pointer -static \
			-I"$TOP"/userlib/include -I"$TOP"/kmod/core/include -I"$TOP"/uapi \
			-o "$bin/$name" "$f" "$user/libkgo.a" -pthread
	done
	for f in "$here"/go/*.go; do
		name=$(basename "$f" .go)
		[ "$name" != bench ] || continue
		quietly "$go" build -trimpath -o "$bin/$name.go" "$here/go/bench.go" "$f"
	done
}

# one PROCS COMMAND...: a program with so many processors (0: all) on whichever runtime it has.
one() {
	local procs=$1
	shift
	if [ "$procs" = 0 ]; then
		env -u KGO_PROCS -u GOMAXPROCS KGO_BACKEND=futex "$@"
	else
		KGO_PROCS=$procs GOMAXPROCS=$procs KGO_BACKEND=futex "$@"
	fi
}

# samples FIGURE BACKEND KGO GO: what both printed, as samples. A program prints a number, or lines of a
# name and a number: those become figures FIGURE_NAME, before a "_1p".
samples() {
	awk -v figure="$1" -v backend="$2" '
	FNR == NR { name[++n] = NF > 1 ? $1 : ""; kgo[n] = $NF; next }
	{ m++; if (name[m] != (NF > 1 ? $1 : "")) exit 1
	  f = figure
	  if (name[m] != "") {
		p = sub(/_1p$/, "", f) ? "_1p" : ""
		f = f "_" name[m] p
	  }
	  print "sample", f, backend, "go", kgo[m], $NF }
	END { exit n != m || !n }' <(echo "$3") <(echo "$4")
}

# Who goes first changes from run to run.
measure_here() {
	local run name procs figure k g
	for ((run = 1; run <= RUNS; run++)); do
		step "on this machine: run $run of $RUNS"
		for name in "${native[@]}"; do
			for procs in 0 1; do
				figure=$name
				[ $procs = 0 ] || figure=${name}_1p
				wanted "$figure" || continue
				if ((run % 2)); then
					k=$(one $procs "$bin/$name")
					g=$(one $procs "$bin/$name.go")
				else
					g=$(one $procs "$bin/$name.go")
					k=$(one $procs "$bin/$name")
				fi
				samples "$figure" futex "$k" "$g" >&3
			done
		done
		! wanted getppid || echo "sample getppid futex thread $(one 1 "$bin/getppid")" >&3
	done
}

# Is there anything for it to do?
guest_wanted() {
	local name
	! { wanted block_gap || wanted getppid || wanted kchan; } || return 0
	for name in "${native[@]}"; do
		[[ $not_in_guest == *" $name "* ]] || ! wanted "${name}_1p" || return 0
	done
	return 1
}

measure_guest() {
	local name
	build_module
	step "in a guest with Linux $kernel"
	mkdir -p "$tmp/stage/bin"
	cp "$module" "$tmp/stage/kgo.ko"
	cp "$bin"/{block_gap,block_gap.go,feeder,getppid,kchan} "$tmp/stage/bin/"
	for name in "${native[@]}"; do
		[[ $not_in_guest != *" $name "* ]] || continue
		cp "$bin/$name" "$bin/$name.go" "$tmp/stage/bin/"
		echo "$name" >>"$tmp/stage/programs"
	done
	install -m 755 "$here/guest.sh" "$tmp/stage/run.sh"
	quietly "$RIG/initramfs.sh" "$tmp/guest.cpio.gz" "$tmp/stage"
	"$RIG/boot.sh" --kernel "$kernel" --smp 2 --icount --run "/run.sh $RUNS $BENCH" --timeout 600 "$tmp/guest.cpio.gz" |
		tee "$tmp/guest.log"
	grep '^sample ' "$tmp/guest.log" >&3
}

make_tmp "$CACHE"
exec 3>"$tmp/samples"
{
	"$RIG/deps.sh" build guest
	build_lib
	build
	measure_here
	! guest_wanted || measure_guest
} >&2
figures "$tmp/samples"
