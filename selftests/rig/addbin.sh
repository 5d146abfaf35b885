#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Copies a program of this machine with its shared libraries into a guest's files.
#
#   addbin.sh STAGEDIR PROGRAM [DEST]      DEST in the guest, /bin/NAME if not given
set -eu

stage=$1
program=$(command -v "$2") || { echo "addbin.sh: no $2" >&2; exit 1; }
dest=$stage/${3:-bin/$(basename "$program")}
mkdir -p "$(dirname "$dest")"
cp -L "$program" "$dest"
# A static program has no list; libraries go where the program looks for them here.
{ ldd "$program" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r lib; do
	mkdir -p "$stage$(dirname "$lib")"
	cp -Ln "$lib" "$stage$lib"
done
