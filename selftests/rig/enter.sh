#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs a command with the userland of an unpacked folder: enter.sh ROOT COMMAND...
#
# Needed where a kernel's own build tools want a newer libc than this machine's. Paths stay the same
# inside: cache, project and working directory are mounted there, in a mount namespace of its own that
# ends with the command. Needs root or unprivileged user namespaces.
set -eu
. "$(dirname "$0")/lib.sh"

root=$1
shift
user=
[ "$(id -u)" = 0 ] || user=--map-root-user
# shellcheck disable=SC2016,SC2086 # expanded inside; may be empty
exec unshare $user --mount --propagation private /bin/sh -euc '
	root=$1 cwd=$2
	for dir in /proc /dev /tmp "$3" "$4"; do
		mkdir -p "$root$dir"
		mount --rbind "$dir" "$root$dir"
	done
	shift 4
	exec chroot "$root" /usr/bin/env -C "$cwd" PATH=/usr/bin:/usr/sbin:/bin LC_ALL=C "$@"
' sh "$root" "$PWD" "$CACHE" "$TOP" "$@"
