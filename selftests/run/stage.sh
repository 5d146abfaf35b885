# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What "make run", "make shell" and "make bench" put into their guest. Sourced, never run.
#
# Everything is built in the cache, never in the tree: runs do not disturb a developer's builds.

# shellcheck source=../rig/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../rig/lib.sh"

user=$CACHE/user	# libkgo, and examples/ beside it
kernel=${KGO_KERNEL:-6.1}

step() { echo "==> $*"; }

# quietly COMMAND...: its output is of interest only if it fails.
quietly() {
	local log
	log=$(mktemp "$CACHE/log.XXXXXX")
	if "$@" >"$log" 2>&1; then
		rm -f "$log"
		return
	fi
	cat "$log" >&2
	rm -f "$log"
	die "failed: $*"
}

build_module() {
	step "building the module for Linux $kernel"
	quietly "$RIG/kernel.sh" "$kernel"
	quietly "$RIG/module.sh" "$kernel"
	module=$("$RIG/module.sh" "$kernel" 2>/dev/null | tail -1)/kgo.ko	# nothing left to do but to say where
	[ -e "$module" ] || die "no kgo.ko"
}

build_lib() {
	step "building libkgo and the examples"
	lock user
	# shellcheck disable=SC2086 # words
	quietly $NICE make -j"$(nproc)" -C "$TOP/userlib" O="$user"
	# shellcheck disable=SC2086
	quietly $NICE make -j"$(nproc)" -C "$TOP/userlib/examples" LIB="$user" O="$user/examples"
}

# stage_guest DIR: module, examples, client and something to serve.
stage_guest() {
	local stage=$1 program
	mkdir -p "$stage"/{examples,root,srv/docs}
	cp "$module" "$stage/kgo.ko"
	cp "${module%/*}"/kmod/samples/*.ko "$stage/"
	for program in "$user"/examples/*; do
		[ ! -f "$program" ] || cp "$program" "$stage/examples/"
	done
	"$RIG/addbin.sh" "$stage" wrk
	cp "$TOP/selftests/run/wrk.lua" "$stage/root/"

	echo '<!doctype html><title>kgo</title><p>Served by goroutines.' >"$stage/srv/index.html"
	echo '<!doctype html><title>docs</title><p>A folder.' >"$stage/srv/docs/index.html"
	head -c 1000 /dev/zero | tr '\0' x >"$stage/srv/1k.txt"
	head -c 10000 /dev/zero | tr '\0' y >"$stage/srv/10k.css"
	head -c 200000 /dev/zero >"$stage/srv/200k.bin"
}

# stage_tests DIR: the test programs of the guest, in /tests/abi and /tests/lib.
stage_tests() {
	local program
	step "building the tests"
	# shellcheck disable=SC2086 # words
	quietly $NICE make -j"$(nproc)" -C "$TOP/selftests" O="$user/tests" STATIC=1
	while read -r program; do
		mkdir -p "$1/tests/$(dirname "$program")"
		cp "$user/tests/$program" "$1/tests/$program"
	done <"$user/tests/tests"
}
