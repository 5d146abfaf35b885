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
set -eu -o pipefail
. "$(dirname "$0")/../run/stage.sh"

BENCH=${BENCH:-} RUNS=${RUNS:-5}
here=$TOP/selftests/bench
bin=$user/bench
native=(spawn pingpong yield timers fire)

# wanted NAME: is the figure, or one whose name starts with NAME_, asked for?
wanted() { [[ $1 == "$BENCH"* || $BENCH == "$1"_* ]]; }

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
		quietly "$go" build -trimpath -o "$bin/$(basename "$f" .go).go" "$f"
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
				echo "sample $figure futex go $k $g" >&3
			done
		done
		! wanted getppid || echo "sample getppid futex thread $(one 1 "$bin/getppid")" >&3
	done
}

measure_guest() {
	build_module
	step "in a guest with Linux $kernel"
	mkdir -p "$tmp/stage/bin"
	cp "$module" "$tmp/stage/kgo.ko"
	cp "$bin"/{block_gap,block_gap.go,feeder,getppid} "$tmp/stage/bin/"
	install -m 755 "$here/guest.sh" "$tmp/stage/run.sh"
	quietly "$RIG/initramfs.sh" "$tmp/guest.cpio.gz" "$tmp/stage"
	"$RIG/boot.sh" --kernel "$kernel" --smp 2 --icount --run "/run.sh $RUNS $BENCH" --timeout 600 "$tmp/guest.cpio.gz" |
		tee "$tmp/guest.log"
	grep '^sample ' "$tmp/guest.log" >&3
}

figures() {
	awk '
	function median(list, n,   v, i, j, t) {
		split(list, v, " ")
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	NF != 6 || $5 <= 0 || $6 <= 0 { print "bench: bad sample: " $0 >"/dev/stderr"; bad = 1; next }
	{
		key = $2 " backend=" $3
		if (!(key in n)) order[++keys] = key
		peer[key] = $4; kgo[key] = kgo[key] " " $5; other[key] = other[key] " " $6; n[key]++
	}
	END {
		for (i = 1; i <= keys; i++) {
			key = order[i]
			k = median(kgo[key], n[key]); p = median(other[key], n[key])
			printf "figure %s kgo=%s peer=%s:%s ratio=%.3f unit=ns runs=%d\n",
				key, k, peer[key], p, k / p, n[key]
		}
		exit bad || !keys
	}' "$1"
}

make_tmp "$CACHE"
exec 3>"$tmp/samples"
{
	"$RIG/deps.sh" build guest
	build_lib
	build
	measure_here
	! { wanted block_gap || wanted getppid; } || measure_guest
} >&2
figures "$tmp/samples"
