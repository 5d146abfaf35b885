#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Static checks, each silent or a failure: lint.sh [CHECK...], default all.
#
# Prints TAP, a line a check, and what a failing one said.
# shellcheck disable=SC2317 # the checks are called by name
set -u
cd "$(dirname "$0")/.." || exit 1
rig=selftests/rig
$rig/deps.sh build lint kernel >&2 || exit 1
source=$($rig/kernel.sh source) || exit 1
CACHE=${KGO_CACHE:-$HOME/.cache/kgo}
# Objects know where their sources are.
tree=$(pwd | cksum | cut -d" " -f1)
n=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

kernel_files() { git ls-files -- 'kmod/*.[ch]' 'uapi/*.h'; }

# The kernel's own judge of style, in full for what is or may become kernel code. Tracepoints have a form
# of their own. Programs keep the style, but not what only the kernel has another word for.
program_ignore=VOLATILE,NEW_TYPEDEFS,AVOID_EXTERNS,PREFER_DEFINED_ATTRIBUTE_MACRO,ARRAY_SIZE,MACRO_ARG_REUSE
program_ignore+=,COMPLEX_MACRO,MACRO_WITH_FLOW_CONTROL,STORAGE_CLASS,MSLEEP,USE_DEVICE_INITCALL,CONST_STRUCT
program_ignore+=,PREFER_KERNEL_TYPES,MEMORY_BARRIER,LONG_LINE,USLEEP_RANGE,REPEATED_WORD
program_ignore+=,ENOSYS,SPLIT_STRING,EMBEDDED_FUNCTION_NAME,FUNCTION_ARGUMENTS,BIT_MACRO,STATIC_CONST_CHAR_ARRAY,SPACING,CAMELCASE
judge() { xargs perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse --showfile "$@" -f | grep -vE '^total:|^$'; }
checkpatch() {
	kernel_files | grep -vE 'kmod/(trace|compat|port_kernel)\.h$|abi_check\.h$' | judge
	echo kmod/trace.h | judge --ignore OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT
	# The one file that looks at the version, the one whose lock type is the core's word, and a
	# macro whose argument is the name of a field.
	echo kmod/compat.h | judge --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON
	echo kmod/port_kernel.h | judge --ignore NEW_TYPEDEFS
	echo kmod/core/abi_check.h | judge --ignore MACRO_ARG_REUSE
	git ls-files -- 'userlib/*.[ch]' 'selftests/*.[ch]' | judge --ignore "$program_ignore"
}

# Every public function and structure has kernel-doc, and it is well-formed.
kernel_doc() {
	kernel_files | xargs perl "$source/scripts/kernel-doc" -none 2>&1 | grep -v '^$'
}

sparse() {
	local out=$log.sparse

	"$rig"/module.sh 6.1 C=2 CF='-D__CHECK_ENDIAN__' >"$out" 2>&1 || tail -20 "$out"
	grep -E 'warning:|error:' "$out"
	rm -f "$out"
}
# module NAME: what a compiler says of the module with all warnings that the kernel's own headers bear.
module() {
	local out=$log.module

	touch kmod/*.c kmod/core/*.c
	"$rig"/module.sh "$1" W=1 KCFLAGS='-Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare' \
		>"$out" 2>&1 || tail -20 "$out"
	grep -E '(kmod|uapi)/.*(warning:|error:)' "$out"
	rm -f "$out"
}
warnings() { module 6.1; }
# There the kernel is prepared anew by clang, which takes a quarter of a minute once.
warnings_clang() { module clang; }

# The kernel's own semantic patches for what they find in modules.
cocci() {
	find "$source"/scripts/coccinelle/{api,free,iterators,locks,misc,null} -name '*.cocci' | while read -r patch; do
		grep -q 'virtual report' "$patch" || continue
		# The core has no max().
		[ "$(basename "$patch")" != minmax.cocci ] || continue
		spatch -D report --no-show-diff --very-quiet --sp-file "$patch" --include-headers -I uapi -I kmod/core kmod
	done 2>/dev/null
}

# What a compiler says of the library and the public headers, beside the commands that make prints.
library() {
	make -s -C userlib O="$CACHE/lint-$1-$tree" CC="$1" all check-headers 2>&1 || echo "make failed"
}
lib_gcc() { library gcc; }
lib_clang() { library clang; }

# The core knows neither kernel nor user space.
seam() {
	git grep -n '__KERNEL__' -- kmod/core ':!kmod/core/port.h'
	git grep -nE '#include <(linux|asm)/' -- kmod/core ':!kmod/core/port.h' | grep -vE '<linux/kgo(_kchan)?\.h>'
	git grep -n 'LINUX_VERSION_CODE' -- kmod ':!kmod/compat.h'
}

# Contexts that nobody cancels: the script that is shipped finds what is marked, and nothing else.
lost() { spatch --very-quiet --no-includes --sp-file userlib/tools/lostcancel.cocci "$@"; }
lostcancel() {
	git ls-files -- 'userlib/examples/*.c' selftests/lostcancel/good.c | while read -r f; do lost "$f"; done
	diff <(grep -n '/\* lost \*/' selftests/lostcancel/bad.c | cut -d: -f1) \
		<(lost selftests/lostcancel/bad.c | cut -d: -f2 | sort -n)
	for f in selftests/lostcancel/*.c; do
		"${CC:-cc}" -fsyntax-only -Wall -Iuserlib/include -Ikmod/core/include -Iuapi "$f"
	done
}

shell() { git ls-files -- '*.sh' .ci/run selftests/rig/init | xargs shellcheck -x -P SCRIPTDIR; }
# A page is either one of its own or names the page that it is a part of.
man() {
	git ls-files -- 'userlib/man/*' | xargs grep -L '^\.so ' | xargs -r mandoc -Tlint -W warning
	git ls-files -- 'userlib/man/*' | xargs grep -H '^\.so ' | while IFS=: read -r page to; do
		name=$(basename "$page" .3)
		grep -qs "\b$name\b" "userlib/man/${to#.so man3/}" || echo "$page: $to does not tell of it"
	done
	# Each function has one: its name, or that of the macro which calls it.
	sed -n 's/^\t\(kgo_[a-z0-9_]*\);$/\1/p' userlib/libkgo.map | while read -r name; do
		for page in "$name" "${name%_at}"; do [ ! -e "userlib/man/$page.3" ] || continue 2; done
		case $name in
		kgo_jmp_set | kgo_scope_*) ;;	# what KGO_SCOPE is made of
		*) echo "$name: no man page" ;;
		esac
	done
}
spdx() { git ls-files -- '*.[chS]' '*.sh' '*Makefile' Kbuild | while read -r f; do head -3 "$f" | grep -q SPDX || echo "$f: no SPDX line"; done; }

[ $# -gt 0 ] || set -- spdx seam shell man lostcancel kernel_doc checkpatch sparse warnings warnings_clang cocci lib_gcc lib_clang
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
