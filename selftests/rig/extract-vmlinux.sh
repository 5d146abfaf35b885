#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Writes the ELF kernel that is packed in a bzImage to stdout: extract-vmlinux.sh VMLINUZ
#
# QEMU boots the ELF by PVH in half the time, without the kernel's own decompressor. The x86 boot
# protocol (2.08 and later) says where the packed kernel is and its last four bytes say how long it
# is unpacked, so nothing needs to be guessed from magic numbers but the kind of compression.
set -eu

img=$1
num() { od -An -v -t "u$2" -j "$1" -N "$2" "$img" | tr -d ' '; }

[ "$(od -An -v -t x1 -j 514 -N 4 "$img" | tr -d ' ')" = 48647253 ] || { echo "$img: not a bzImage" >&2; exit 1; }
sectors=$(num 497 1)
start=$(((sectors ? sectors + 1 : 5) * 512 + $(num 584 4)))
length=$(num 588 4)
size=$(num $((start + length - 4)) 4)

case $(od -An -v -t x1 -j "$start" -N 4 "$img" | tr -d ' ') in
1f8b*) unpack=(gzip -dc) ;;
fd377a58) unpack=(xz -dc) ;;
425a68*) unpack=(bzip2 -dc) ;;
28b52ffd) unpack=(zstd -qdc) ;;
02214c18) unpack=(lz4 -dc) ;;
*) echo "$img: unknown compression" >&2; exit 1 ;;
esac

tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
tail -c "+$((start + 1))" "$img" | head -c "$((length - 4))" | "${unpack[@]}" >"$tmp"
[ "$(stat -c %s "$tmp")" = "$size" ] || { echo "$img: unpacked to a wrong size" >&2; exit 1; }
cat "$tmp"
