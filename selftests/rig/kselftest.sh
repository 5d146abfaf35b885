#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes sure that the kernel's kselftest headers are in the cache and prints the folder to include them
# from: kselftest.sh
#
# They come from Debian's linux-source. If its whole tree is there already (checking kernels need it), or
# is just being made, the headers are taken from there; else only they are unpacked.
set -eu
. "$(dirname "$0")/lib.sh"

files=(kselftest.h kselftest_harness.h)
dir=$CACHE/kselftest

there() { [ -e "$dir/${files[0]}" ] && [ -e "$dir/${files[1]}" ]; }
finish() {
	rm -rf "$dir"
	mv "$1" "$dir"
	echo "$dir"
	exit 0
}

if there; then echo "$dir" && exit 0; fi
lock kernel-source
if there; then echo "$dir" && exit 0; fi

make_tmp "$CACHE/tmp"
mkdir "$tmp/inc"
if [ -e "$CACHE/kernel/source/Makefile" ]; then
	(cd "$CACHE/kernel/source/tools/testing/selftests" && cp "${files[@]}" "$tmp/inc/")
	finish "$tmp/inc"
fi
apt_refresh own
apt_unpack own "$tmp/deb" linux-source-6.1
tar -C "$tmp/inc" --strip-components=4 -xf "$tmp/deb/usr/src/linux-source-6.1.tar.xz" \
	"${files[@]/#/linux-source-6.1/tools/testing/selftests/}"
finish "$tmp/inc"
