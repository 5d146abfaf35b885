#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds modules for a guest kernel; the last line of output is the directory with the .ko files.
#
#   module.sh [--src DIR] [NAME] [MAKE-ARGUMENT...]      e.g. module.sh kasan W=1 C=2
#
# Builds the project's module, or with --src the folder DIR that has a Kbuild. Each tree of sources has
# for each kernel an object tree of its own in the cache, a mirror that keeps the times, so builds never
# mix and each stays incremental.
set -eu
. "$(dirname "$0")/lib.sh"

what=kgo src=("$TOP/Kbuild" "$TOP/kmod" "$TOP/uapi")
if [ "${1:-}" = --src ]; then
	what=$(basename "$2") src=("$(readlink -f "$2")/")
	shift 2
fi
name=${1:-6.1}
[ $# -eq 0 ] || shift
kernel=$("$RIG/kernel.sh" "$name")
# By the tree, too: two that share a cache, and whose times say nothing of each other, do not share objects.
tree=$(printf %s "${src[0]}" | cksum | cut -d' ' -f1)
obj=$CACHE/obj/$name/$what-$tree
mkdir -p "$obj"
lock "obj-$name-$what-$tree"

# A new kernel: nothing of the old objects holds.
if [ "$(cat "$obj/.kernel" 2>/dev/null)" != "$kernel" ]; then
	rm -rf "$obj"
	mkdir -p "$obj"
	echo "$kernel" >"$obj/.kernel"
fi

# Sources that are gone are deleted there, what make made is not.
made=()
for pattern in '*.o' '*.ko' '*.mod' '*.mod.c' '*.cmd' '*.d' '*.gcno' '*.symvers' modules.order .kernel; do
	made+=(--filter "P $pattern" --exclude "$pattern")
done
rsync -a --delete "${made[@]}" "${src[@]}" "$obj/" >&2

KRUN='' KMAKE=''
# shellcheck source=/dev/null
[ ! -e "$kernel/env" ] || . "$kernel/env"
# A module without BTF does as well, and pahole need not be there.
# shellcheck disable=SC2086 # words
$NICE $KRUN make -C "$kernel/build" M="$obj" -j"$(nproc)" CONFIG_DEBUG_INFO_BTF_MODULES= $KMAKE "$@" modules >&2
echo "$obj"
