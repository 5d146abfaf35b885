#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes a guest's initramfs: initramfs.sh OUT STAGEDIR
#
# Its contents: busybox, the rig's init and one-cpu, and whatever is in STAGEDIR (typically run.sh, *.ko, programs;
# see addbin.sh for dynamically linked ones). The same contents always make the same bytes: sorted, all
# root's, one date. An OUT that ends in .gz is packed.
set -eu
. "$(dirname "$0")/lib.sh"

out=$(readlink -f "$1") stage=$2
busybox=$(command -v busybox) || die "no busybox: run deps.sh guest"

make_tmp "$CACHE"
mkdir -p "$tmp"/{bin,sbin,dev,proc,sys,tmp,root,etc}
cp "$busybox" "$tmp/bin/busybox"
ln -s busybox "$tmp/bin/sh"
echo root:x:0:0:root:/root:/bin/sh >"$tmp/etc/passwd"
echo root:x:0: >"$tmp/etc/group"
echo '127.0.0.1 localhost' >"$tmp/etc/hosts"
cp -a "$stage/." "$tmp/"
install -m 755 "$RIG/init" "$tmp/init"
install -m 755 "$RIG/one-cpu" "$tmp/bin/one-cpu"
chmod -R go+rX "$tmp"
find "$tmp" -exec touch -h -d @0 {} +

cd "$tmp"
find . -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z |
	cpio --quiet --null -o -H newc -R 0:0 --reproducible >"$out.new"
case $out in
*.gz) gzip -1 -n <"$out.new" >"$out.new.gz" && rm "$out.new" && mv "$out.new.gz" "$out" ;;
*) mv "$out.new" "$out" ;;
esac
