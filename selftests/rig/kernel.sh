#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes sure that a guest kernel is in the cache and prints its directory.
#
#   kernel.sh [--update] NAME
#
#   6.1      Debian bookworm's cloud kernel (the default elsewhere)
#   6.12     the newer kernel that bookworm offers
#   7.2      sid's, built for with sid's gcc in a folder that is entered by chroot
#   kasan    our own: 6.1 with KASAN, lockdep, kmemleak, fault injection, ... (see config/)
#   kcsan    our own: 6.1 with the data-race checker
#   clang    not a kernel: a tree of 6.1 that is prepared for modules compiled by clang
#   source   not a kernel: Debian's source of 6.1, unpacked (checkpatch, coccinelle scripts)
#
# The directory holds:
#   boot     what QEMU gets as -kernel: an ELF vmlinux for PVH, or a bzImage (checking kernels)
#   build    KDIR for external modules; depends on nothing that apt installed
#   release  its uname -r
#   env      optional: shell variables for module.sh (KRUN: a wrapper to run make by, KMAKE: arguments)
#
# What was found once stays until --update asks for the newest again. Checking kernels are also made
# anew when config/ or the compiler changes.
set -eu
. "$(dirname "$0")/lib.sh"

update=
[ "${1:-}" != --update ] || { update=--update; shift; }
name=${1:-6.1}
link=$CACHE/kernel/$name
mkdir -p "$CACHE/kernel"

# stock SUITE META: the kernel that linux-image-META in SUITE stands for.
stock() {
	local suite=$1 image headers release version dir
	if [ -z "$update" ] && [ -e "$link/boot" ]; then return; fi
	lock "kernel-$name"
	if [ -z "$update" ] && [ -e "$link/boot" ]; then return; fi
	apt_refresh "$suite"
	image=$(depends "$suite" "linux-image-$2" | grep ^linux-image-)
	headers=${image/image/headers}
	release=${image#linux-image-}
	version=$(apt_suite "$suite" apt-cache show --no-all-versions "$image" | sed -n 's/^Version: //p')
	case $version in "$name".*) ;; *) die "$suite has '$image' $version where $name was wanted" ;; esac
	dir=$CACHE/kernel/$name-$version
	if [ ! -e "$dir/boot" ]; then
		make_tmp "$CACHE/kernel"
		if [ "$suite" = own ]; then
			# shellcheck disable=SC2046 # a list of packages
			apt_unpack "$suite" "$tmp/root" "$image" "$headers" $(depends "$suite" "$headers")
		else
			apt_unpack "$suite" "$tmp/root" "${image/image/binary}" # linux-image itself is empty there
			apt_unpack_closure "$suite" "$tmp/root" "$headers" make gcc libc6-dev base-files dash \
				bash coreutils sed grep mawk findutils diffutils kmod
			ln -s mawk "$tmp/root/usr/bin/awk"
			# shellcheck disable=SC2016 # module.sh has both
			echo 'KRUN="$RIG/enter.sh $kernel/root"' >"$tmp/env"
		fi
		# Debian's two header trees name each other by absolute path.
		# shellcheck disable=SC2016 # make's own variables
		sed -i 's,^KBUILD_OUTPUT=.*,KBUILD_OUTPUT := $(realpath $(dir $(lastword $(MAKEFILE_LIST)))),
			s,^include /usr/src/,include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../,' \
			"$tmp/root/usr/src/linux-headers-$release/Makefile"
		ln -s "root/usr/src/linux-headers-$release" "$tmp/build"
		"$RIG/extract-vmlinux.sh" "$(find "$tmp/root" -type f -name 'vmlinuz*')" >"$tmp/boot"
		echo "$release" >"$tmp/release"
		rm -rf "$tmp/root/boot" "$tmp/root/lib/modules" "$tmp/root/usr/lib/modules" "$tmp/root/usr/share/"{doc,man,locale}
		mv "$tmp" "$dir"
	fi
	ln -sfn "${dir##*/}" "$link"
	say "$name is $version"
}

# The packages of the kernel (not compilers) that a package needs directly.
depends() {
	apt_suite "$1" apt-cache depends --important "$2" | sed -n 's/^ *Depends: \(linux-[^ ]*\)$/\1/p' |
		grep -Ev '^linux-base$|-unsigned$'
}

# Debian's source of 6.1, unpacked: directory source-VERSION.
source_tree() {
	local version dir
	if [ -z "$update" ] && [ -e "$CACHE/kernel/source/Makefile" ]; then return; fi
	lock kernel-source
	if [ -z "$update" ] && [ -e "$CACHE/kernel/source/Makefile" ]; then return; fi
	apt_refresh own
	version=$(apt_suite own apt-cache show --no-all-versions linux-source-6.1 | sed -n 's/^Version: //p')
	dir=$CACHE/kernel/source-$version
	if [ ! -e "$dir/Makefile" ]; then
		make_tmp "$CACHE/kernel"
		apt_unpack own "$tmp/deb" linux-source-6.1
		mkdir "$tmp/src"
		say "unpacking the source of $version"
		tar -C "$tmp/src" --strip-components=1 -xf "$tmp/deb/usr/src/linux-source-6.1.tar.xz"
		mv "$tmp/src" "$dir"
		rm -rf "$tmp"
	fi
	ln -sfn "${dir##*/}" "$CACHE/kernel/source"
}

case $name in
6.1) stock own cloud-amd64 ;;
6.12) stock own 6.12-cloud-amd64 ;;
7.2) stock sid cloud-amd64 ;;
source) source_tree ;;
kasan | kcsan | clang) "$RIG/kernel-build.sh" "$name" $update ;;
*) die "no kernel '$name': 6.1 6.12 7.2 kasan kcsan clang source" ;;
esac
readlink -f "$link"
