#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prints the path of a Go toolchain (1.24, the peer of the benchmarks), unpacked in the cache.
#
# Pure Go only (CGO_ENABLED=0): its programs are static, so they also run in a guest as they are.
set -eu
. "$(dirname "$0")/lib.sh"

version=1.24 suite=trixie
dir=$CACHE/go-$version
if [ ! -x "$dir/bin/go" ]; then
	lock go
fi
if [ ! -x "$dir/bin/go" ]; then
	make_tmp "$CACHE"
	apt_refresh "$suite"
	apt_unpack "$suite" "$tmp/root" "golang-$version-go" "golang-$version-src"
	# Where the wrapper is found tells where the toolchain is.
	mkdir "$tmp/bin"
	cat >"$tmp/bin/go" <<-END
		#!/bin/sh
		top=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")
		export GOROOT="\$top/root/usr/lib/go-$version" GOTOOLCHAIN=local CGO_ENABLED=0
		exec "\$GOROOT/bin/go" "\$@"
	END
	chmod +x "$tmp/bin/go"
	"$tmp/bin/go" version >&2
	rm -rf "$dir"
	mv "$tmp" "$dir"
fi
echo "$dir/bin/go"
