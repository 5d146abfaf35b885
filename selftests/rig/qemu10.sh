#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prints the path of a QEMU 10, unpacked in the cache: what --icount needs, where two CPUs hang in 7.2.
#
# It runs with this machine's libraries (those of the installed qemu-system-x86).
set -eu
. "$(dirname "$0")/lib.sh"

suite=bookworm-backports
dir=$CACHE/qemu10
if [ ! -x "$dir/qemu" ]; then
	lock qemu10
fi
if [ ! -x "$dir/qemu" ]; then
	make_tmp "$CACHE"
	apt_refresh "$suite"
	apt_unpack "$suite" "$tmp/root" qemu-system-x86 qemu-system-common qemu-system-data seabios
	cat >"$tmp/qemu" <<-'END'
		#!/bin/sh
		root=$(dirname "$(readlink -f "$0")")/root/usr
		export QEMU_MODULE_DIR="$root/lib/x86_64-linux-gnu/qemu"
		exec "$root/bin/qemu-system-x86_64" -L "$root/share/qemu" -L "$root/share/seabios" "$@"
	END
	chmod +x "$tmp/qemu"
	"$tmp/qemu" --version >&2 || die "QEMU 10 does not run here: $(ldd "$tmp/root/usr/bin/qemu-system-x86_64" | grep 'not found')"
	rm -rf "$tmp/root/usr/share/"{doc,man} "$dir"
	mv "$tmp" "$dir"
fi
echo "$dir/qemu"
