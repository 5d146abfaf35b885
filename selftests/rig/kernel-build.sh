#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds a checking kernel from Debian's source into the cache; for kernel.sh, which says what results.
#
#   kernel-build.sh kasan|kcsan|clang
#
# The result is keyed by source version, fragments and compiler. A build that was interrupted goes on
# where it stopped. The source tree itself stays clean: one source, an object tree for each kernel.
set -eu
. "$(dirname "$0")/lib.sh"

name=$1
link=$CACHE/kernel/$name
fragments=("$RIG/config/base.config" "$RIG/config/checks.config" "$RIG/config/$name.config")
targets=(bzImage modules_prepare) compiler=gcc arguments=()
# Never booted: a tree in which clang can compile modules.
if [ "$name" = clang ]; then
	fragments=("$RIG/config/base.config")
	targets=(modules_prepare) compiler=clang arguments=(LLVM=1)
fi

# What the kernel of this source version is called in the cache.
entry() {
	local sum
	sum=$({
		cat "${fragments[@]}" | grep '^CONFIG' | LC_ALL=C sort
		"$compiler" --version | head -1
	} | sha256sum)
	echo "$name-$1-${sum:0:12}"
}

# Without --update the source version stays, and the source itself is not needed once it is built.
have=$(readlink "$link" || true)
version=${have#"$name-"}
version=${version%-*}
if [ -z "${2:-}" ] && [ -e "$link/boot" ] && [ "$have" = "$(entry "$version")" ]; then exit 0; fi

source=$("$RIG/kernel.sh" ${2:+"$2"} source)
entry=$(entry "${source##*/source-}")
dir=$CACHE/kernel/$entry
work=$CACHE/kernel/work-$entry

use() { ln -sfn "$entry" "$link"; exit 0; }
[ ! -e "$dir/boot" ] || use
lock "kernel-$name"
[ ! -e "$dir/boot" ] || use

export KBUILD_BUILD_USER=kgo KBUILD_BUILD_HOST=kgo
kmake() { $NICE make -C "$source" O="$work" -j"$(nproc)" "${arguments[@]}" "$@"; }

mkdir -p "$work"
if [ ! -e "$work/.config" ]; then
	cat "${fragments[@]}" >"$work/all.config"
	kmake KCONFIG_ALLCONFIG=all.config allnoconfig >"$work/log" 2>&1 || die "allnoconfig failed: $work/log"
fi

# An option whose dependencies are missing is dropped without a word: look for every line.
dropped=$(grep -h '^CONFIG' "${fragments[@]}" | while IFS= read -r line; do
	case $line in
	*=n) ! grep -q "^${line%=n}=" "$work/.config" ;;
	*) grep -qxF "$line" "$work/.config" ;;
	esac || echo "$line"
done)
if [ -n "$dropped" ] && [ "$name" != clang ]; then
	say "$name: these lines of config/ did not get into the kernel (missing dependencies?):" "$dropped"
	rm "$work/.config"
	exit 1
fi

say "$name: building linux ${source##*/source-} (${targets[*]}; a bzImage takes some ten minutes on two CPUs);" \
	"progress in $work/log"
kmake "${targets[@]}" >>"$work/log" 2>&1 || die "$name: build failed, see $work/log"

# What an external module needs of source and object tree, put into one tree (as the kernel's own
# scripts/package/builddeb does for header packages).
make_tmp "$CACHE/kernel"
mkdir "$tmp/build"
(
	cd "$source"
	find . arch/x86 -maxdepth 1 -name 'Makefile*'
	find include scripts arch/x86/include -type f -o -type l
	find arch/x86 -name Kbuild.platforms -o -name Platform
	find . -name 'Kconfig*' -path './scripts/*'
) | LC_ALL=C sort -u | rsync -a --files-from=- "$source/" "$tmp/build/"
(
	cd "$work"
	find arch/x86/include include scripts -type f ! -name '*.o' ! -name '*.cmd'
	echo .config
	echo tools/objtool/objtool
) | LC_ALL=C sort -u | rsync -a --files-from=- "$work/" "$tmp/build/"
cp "$work/scripts/module.lds" "$tmp/build/scripts/"
if [ "$name" = clang ]; then
	: >"$tmp/boot"
	echo 'KMAKE="LLVM=1 KBUILD_MODPOST_WARN=1"' >"$tmp/env"
else
	cp "$work/vmlinux.symvers" "$tmp/build/Module.symvers"
	cp "$work/System.map" "$tmp/build/"
	cp "$work/arch/x86/boot/bzImage" "$tmp/boot" # KASAN's kernel does not boot by PVH
fi
cp "$work/include/config/kernel.release" "$tmp/release"
mv "$tmp" "$dir"
rm -rf "$work"
say "$name: $(du -sh "$dir" | cut -f1) in $dir"
use
