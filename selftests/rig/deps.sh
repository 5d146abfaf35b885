#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes sure that the packages of the named groups are installed on this machine.
#
#   deps.sh build guest    groups: build guest kernel lint bench all
#
# Does nothing when all are there. As root it installs what is missing; otherwise it prints the command
# that would, and fails. Kernels, their headers and newer tools are not installed but unpacked in the
# cache: see kernel.sh, qemu10.sh and go.sh.
set -eu

declare -A group=(
	[build]="gcc make libc6-dev libdw1 libelf1 kmod pkg-config python3 rsync xz-utils bzip2"
	[guest]="qemu-system-x86 cpio busybox-static binutils lz4 zstd wrk util-linux"
	[kernel]="gcc make flex bison bc libelf-dev libssl-dev kmod cpio rsync xz-utils python3"
	[lint]="sparse clang lld llvm shellcheck coccinelle perl python3 mandoc groff-base valgrind"
	[bench]="wrk"
)
[ $# -gt 0 ] || set -- build guest
[ "$*" != all ] || set -- "${!group[@]}"

want=()
for g; do
	[ -n "${group[$g]:-}" ] || { echo "deps.sh: no group '$g' (${!group[*]} all)" >&2; exit 2; }
	read -ra names <<<"${group[$g]}"
	want+=("${names[@]}")
done
missing=()
for p in $(printf '%s\n' "${want[@]}" | sort -u); do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" != 0 ]; then
	echo "deps.sh: missing packages; please run:" >&2
	echo "  sudo apt-get update && sudo ${install[*]}"
	exit 1
fi
echo "deps.sh: installing ${missing[*]}" >&2
apt-get update -q >&2
DEBIAN_FRONTEND=noninteractive "${install[@]}" >&2
