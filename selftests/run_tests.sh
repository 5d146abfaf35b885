#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs test programs and counts what they say: run_tests.sh DIR [PATTERN...]
#
# DIR/tests lists the programs; a PATTERN (for case) selects of them, default all. Their TAP passes through.
# A program that ends early, by a crash or after KGO_TEST_TIMEOUT seconds (default 900), has failed all
# the tests that it planned and did not report, at least one. The last line is
#
#   N passed, N failed, N skipped
#
# and the exit code 0 only if none failed and some passed. Runs in the guest too: plain sh, busybox.

dir=$1
shift
[ $# -gt 0 ] || set -- '*'
limit=${KGO_TEST_TIMEOUT:-900}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0

selected() {
	for pattern; do
		# shellcheck disable=SC2254 # a pattern is what it is
		case $test in $pattern) return 0 ;; esac
	done
	return 1
}

while read -r test; do
	selected "$@" || continue
	echo "# $test"
	{
		timeout -s KILL "$limit" "$dir/$test" </dev/null 2>&1
		echo "#exit $?"
	} | tee "$log"
	# What a program prints for itself never starts like a result.
	counts=$(awk '
		/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1 }
		/^not ok / { bad++ }
		/^ok .*# SKIP/ { skip++; next }
		/^ok / { good++ }
		/^#exit / { code = $2 }
		END {
			missing = plan - good - bad - skip
			if (missing > 0)
				bad += missing
			if (!planned || (code && !bad))
				bad++
			printf "%d %d %d %d\n", good, bad, skip, code
		}' "$log")
	# shellcheck disable=SC2086 # numbers
	set -- $counts "$@"
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
	if [ "$2" != 0 ]; then echo "# $test: $2 FAILED, exit code $4"; fi
	shift 4
done <"$dir/tests"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
