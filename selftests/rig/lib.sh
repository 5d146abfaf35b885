# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the rig's scripts share: where things are, messages, and Debian packages that are unpacked in
# the cache instead of being installed. Sourced, never run.
#
# Nothing here touches the machine's apt sources or package state: every suite, also the machine's own
# ("own"), has package lists of its own in the cache.

RIG=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for those who source this
TOP=$(cd "$RIG/../.." && pwd)
CACHE=${KGO_CACHE:-$HOME/.cache/kgo}
mkdir -p "$CACHE"
# shellcheck disable=SC2034
NICE="nice -n ${KGO_NICE:-10}"

say() { echo "rig: $*" >&2; }
die() { say "$*"; exit 1; }

# make_tmp DIR: a folder $tmp in DIR (to be renamed when its contents are whole), gone when this script ends.
make_tmp() {
	mkdir -p "$1"
	tmp=$(mktemp -d "$1/tmp.XXXXXX")
	chmod 755 "$tmp"
	trap 'rm -rf "$tmp"' EXIT
}

# lock NAME: one process at a time in what follows, until this script ends.
lock() {
	mkdir -p "$CACHE/lock"
	exec {lock_fd}>"$CACHE/lock/$1"
	flock -n "$lock_fd" && return
	say "waiting for another process that makes $1"
	flock "$lock_fd"
}

# apt_suite SUITE COMMAND...: run an apt command on SUITE's packages ("own": the machine's sources).
# The mirror is the one that the machine's own sources use.
apt_suite() {
	local suite=$1 dir=$CACHE/apt/$1 mirror
	shift
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	local opts=(-o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root
		-o Debug::NoLocking=1 -o Acquire::Languages=none -o Acquire::Retries=3)
	if [ "$suite" != own ]; then
		if [ ! -s "$dir/sources.list" ]; then
			mirror=$(apt-get indextargets --format "\$(REPO_URI) \$(RELEASE)" 'Created-By: Packages' |
				awk '$2 !~ /security|updates|backports/ { print $1; exit }')
			[ -n "$mirror" ] || die "no Debian mirror in this machine's apt sources"
			echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
				>"$dir/sources.list"
		fi
		: >"$dir/status"
		opts+=(-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
			-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
			-o "Dir::State::status=$dir/status")
	fi
	"$@" "${opts[@]}"
}

# apt_refresh SUITE: fetch the package lists, unless that was done within the last hours.
apt_refresh() {
	local stamp=$CACHE/apt/$1/stamp
	if [ -n "$(find "$stamp" -mmin -360 2>/dev/null)" ]; then return; fi
	say "package lists of $1"
	apt_suite "$1" apt-get update -qq >&2 || die "apt-get update failed for $1"
	touch "$stamp"
}

# apt_unpack SUITE DIR PACKAGE...: download exactly these packages and unpack them into DIR.
apt_unpack() {
	local suite=$1 dir=$2 debs
	shift 2
	say "fetching $*"
	debs=$dir.debs
	mkdir -p "$debs"
	(cd "$debs" && apt_suite "$suite" apt-get download -qq "$@" >&2) || die "download failed: $*"
	unpack_debs "$debs" "$dir"
	rm -rf "$debs"
}

# apt_unpack_closure SUITE DIR PACKAGE...: the same with all that the packages depend on.
apt_unpack_closure() {
	local suite=$1 dir=$2
	shift 2
	say "fetching $* and what they depend on"
	apt_suite "$suite" apt-get install -qq -y --download-only --no-install-recommends "$@" >&2 ||
		die "download failed: $*"
	unpack_debs "$CACHE/apt/$suite/cache/archives" "$dir"
	rm -f "$CACHE/apt/$suite/cache/archives/"*.deb
}

unpack_debs() {
	local deb
	mkdir -p "$2"
	for deb in "$1"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -C "$2" -xf - --keep-directory-symlink --no-same-owner
	done
}
