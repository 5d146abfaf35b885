# SPDX-License-Identifier: GPL-2.0
# The commands of this project; README.md explains them.
#
# Kbuild says how the module is built, userlib/Makefile how the library is, and
# the scripts under selftests/ do the rest.  Nothing is loaded into this
# machine's kernel but by "modprobe kgo".

KDIR	?= /lib/modules/$(shell uname -r)/build
PREFIX	?= /usr/local
RIG	:= selftests/rig
SUITES	?=

help:
	@echo 'Set-up and the main job:'
	@echo '  run            - boot Debian'"'"'s kernel in QEMU with kgo.ko, serve HTTP, show the tables'
	@echo '  check          - all tests that fit into half an hour'
	@echo '  shell          - the same guest, with a shell'
	@echo 'Building and installing on this machine:'
	@echo '  modules lib    - kgo.ko for KDIR ($(KDIR)); libkgo'
	@echo '  install        - both, and headers, man pages (PREFIX=$(PREFIX), DESTDIR)'
	@echo 'More tests and figures:'
	@echo '  matrix         - the guest suites on Debian kernels 6.12 and 7.2 (also: check-matrix)'
	@echo '  check-kcsan    - on a kernel with the data race checker'
	@echo '  check-tsan     - library tests under ThreadSanitizer'
	@echo '  check-soak     - random blocking for a long time'
	@echo '  sim            - the core under SEEDS=n random schedules, each of which can be replayed'
	@echo '  check-rig      - that the checkers find what is planted for them'
	@echo '  lint           - checkpatch, sparse, W=1, clang, kernel-doc, shellcheck, man pages'
	@echo '  bench          - figures beside Go (BENCH=name RUNS=n)'
	@echo '  bench-kernel   - figures of goroutines in the kernel (likewise)'

run:
	@selftests/run/run.sh

shell:
	@selftests/run/shell.sh

check:
	@selftests/check.sh

matrix check-matrix:
	@selftests/check.sh matrix

check-kcsan:
	@selftests/check.sh kcsan

check-tsan:
	@selftests/check.sh tsan

check-soak:
	@selftests/check.sh soak

sim:
	@$(MAKE) -C selftests/sim sim

check-rig:
	@$(RIG)/check.sh 6.1 kasan kcsan

lint:
	@selftests/lint.sh $(SUITES)

bench:
	@selftests/bench/bench.sh

bench-kernel:
	@selftests/bench/kernel.sh

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

lib:
	$(MAKE) -C userlib

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

lib_install: lib
	$(MAKE) -C userlib install PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

install: modules_install lib_install

clean:
	-[ ! -d $(KDIR) ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C userlib clean
	$(MAKE) -C selftests clean

.PHONY: help run shell check check-matrix check-kcsan check-tsan check-soak \
	sim check-rig lint bench bench-kernel modules lib modules_install lib_install install clean
