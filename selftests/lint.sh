#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Static checks, each silent or a failure: lint.sh [CHECK...], default all.
#
# Prints TAP, a line a check, and what a failing one said.
set -u
cd "$(dirname "$0")/.." || exit 1
rig=selftests/rig
$rig/deps.sh build lint kernel >&2 || exit 1
source=$($rig/kernel.sh source) || exit 1
export KGO_QUIET=1
n=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

kernel_files() { git ls-files -- 'kmod/*.[ch]' 'uapi/*.h'; }

# The kernel's own judge of style, in full for what is or may become kernel code. Tracepoints have a form
# of their own. Programs keep the style, but not what only the kernel has another word for.
program_ignore=VOLATILE,NEW_TYPEDEFS,AVOID_EXTERNS,PREFER_DEFINED_ATTRIBUTE_MACRO,ARRAY_SIZE,MACRO_ARG_REUSE
program_ignore+=,COMPLEX_MACRO,MACRO_WITH_FLOW_CONTROL,STORAGE_CLASS,MSLEEP,USE_DEVICE_INITCALL,CONST_STRUCT
program_ignore+=,PREFER_KERNEL_TYPES,MEMORY_BARRIER,LONG_LINE,USLEEP_RANGE,REPEATED_WORD
program_ignore+=,SPLIT_STRING,EMBEDDED_FUNCTION_NAME,FUNCTION_ARGUMENTS,BIT_MACRO,STATIC_CONST_CHAR_ARRAY,SPACING,CAMELCASE
judge() { xargs perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse --showfile "$@" -f | grep -vE '^total:|^$'; }
checkpatch() {
	kernel_files | grep -v 'kmod/trace\.h$' | judge
	echo kmod/trace.h | judge --ignore OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT
	git ls-files -- 'userlib/*.[ch]' 'selftests/*.[ch]' | judge --ignore "$program_ignore"
}

# Every public function and structure has kernel-doc, and it is well-formed.
kernel_doc() {
	kernel_files | xargs perl "$source/scripts/kernel-doc" -none 2>&1 | grep -v '^$'
}

sparse() { $rig/module.sh 6.1 C=2 CF='-D__CHECK_ENDIAN__' 2>&1 >/dev/null | grep -E 'warning:|error:'; }
warnings() {
	touch kmod/*.c kmod/core/*.c
	$rig/module.sh 6.1 W=1 KCFLAGS='-Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare' \
		2>&1 >/dev/null | grep -E '(kmod|uapi)/.*(warning:|error:)'
}

lib_gcc() { make -C userlib O="${TMPDIR:-/tmp}/kgo-lint-gcc" CC=gcc EXTRA='-Werror' 2>&1 >/dev/null; }
lib_clang() { make -C userlib O="${TMPDIR:-/tmp}/kgo-lint-clang" CC=clang EXTRA='-Werror' 2>&1 >/dev/null; }

# The core knows neither kernel nor user space.
seam() {
	git grep -n '__KERNEL__' -- kmod/core ':!kmod/core/port.h'
	git grep -nE '#include <(linux|asm)/' -- kmod/core ':!kmod/core/port.h'
	git grep -n 'LINUX_VERSION_CODE' -- kmod ':!kmod/compat.h'
}

# Contexts that nobody cancels: the script that is shipped finds what is marked, and nothing else.
cocci() { spatch --very-quiet --no-includes --sp-file userlib/tools/lostcancel.cocci "$@"; }
lostcancel() {
	git ls-files -- 'userlib/examples/*.c' selftests/lostcancel/good.c | while read -r f; do cocci "$f"; done
	diff <(grep -n '/\* lost \*/' selftests/lostcancel/bad.c | cut -d: -f1) \
		<(cocci selftests/lostcancel/bad.c | cut -d: -f2 | sort -n)
	for f in selftests/lostcancel/*.c; do
		"${CC:-cc}" -fsyntax-only -Wall -Iuserlib/include -Ikmod/core/include -Iuapi "$f"
	done
}

shell() { git ls-files -- '*.sh' .ci/run selftests/rig/init | xargs shellcheck -x -P SCRIPTDIR; }
man() { git ls-files -- 'userlib/man/*' | xargs -r mandoc -Tlint -W warning; }
spdx() { git ls-files -- '*.[chS]' '*.sh' '*Makefile' Kbuild | while read -r f; do head -3 "$f" | grep -q SPDX || echo "$f: no SPDX line"; done; }

all="spdx seam shell man lostcancel kernel_doc checkpatch sparse warnings lib_gcc lib_clang"
[ $# -gt 0 ] || set -- $all
for check; do
	n=$((n + 1))
	$check >"$log" 2>&1
	if [ -s "$log" ]; then
		echo "not ok $n - lint: $check"
		sed 's/^/# /' "$log" | head -60
		failed=$((failed + 1))
	else
		echo "ok $n - lint: $check"
	fi
done
echo "1..$n"
exit $((failed > 0))
