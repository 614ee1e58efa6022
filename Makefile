# SPDX-License-Identifier: GPL-2.0-or-later
# Verbs only: the work is done by scripts/driver, which does all set-up itself.

PYTHON ?= python3
DRIVER = $(PYTHON) $(CURDIR)/scripts/driver
export QEMU_SRC TARGETS SUITES SANITIZE SECONDS QUICK

VERBS = build demo run bench check check-full flood fuzz coverage stock

.PHONY: $(VERBS) clean help

$(VERBS):
	@$(DRIVER) $@

clean:
	rm -rf $(CURDIR)/build

help:
	@echo 'make         build QEMU with our virtio-mem, and vmemctl, in build/'
	@echo 'make demo    build, boot a Debian guest and show resizing step by step'
	@echo 'make run     the same VM, with its console and monitor on the terminal'
	@echo 'make check   build and run the tests that gate a change; SUITES="unit qtest"'
	@echo '             runs only those; SANITIZE=1 runs unit, qtest, guest and vmemctl with'
	@echo '             address and undefined-behaviour sanitizers'
	@echo 'make check-full  all tests: also QEMU'"'"'s own, proofs, sanitizers,'
	@echo '             and other ways to configure QEMU'
	@echo 'make bench   measure ours beside stock, report in build/bench; QUICK=1 for'
	@echo '             five minutes of it'
	@echo 'make flood   time the monitor under a flooding guest, ours beside stock'
	@echo 'make fuzz    fuzz pure modules and the whole device; SECONDS=60 instead of 600'
	@echo 'make coverage  show which lines of the device the tests reach'
	@echo 'make stock   build build/stock/qemu-system-x86_64 with QEMU'"'"'s own device'
	@echo 'make clean   remove build/ (downloads stay in the cache directory)'
	@echo 'make help    this list'
	@echo
	@echo 'QEMU_SRC=path            use this QEMU source tree; it is not modified'
	@echo 'TARGETS="s390x-softmmu"  build these QEMU targets too'
	@echo 'DEBIAN_ARCHIVE=address   use this Debian archive'
