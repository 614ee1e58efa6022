# SPDX-License-Identifier: GPL-2.0-or-later
# Verbs only. python/driver has things ready in build/; meson runs unit tests,
# qtests, fuzzers and proofs, pytest runs all other tests.

PYTHON = /usr/bin/python3
PREFIX = /usr/local
HAVE = $(PYTHON) -m driver
# What is made from the series of QEMU that is chosen lies in build/, or in build/11.1/.
TOP = build$(patsubst %,/%,$(filter-out 10.0,$(QEMU)))
RESULTS = $(TOP)/results
MODULES := $(CURDIR)/$(TOP)/modules/usr/lib/python3/dist-packages
export PYTHONPATH := $(CURDIR)/python:$(CURDIR):$(CURDIR)/$(TOP)/qemu/src/python:$(MODULES)
export PYTHONDONTWRITEBYTECODE := 1
export QEMU QEMU_SRC TARGETS CONFIGURE_FLAGS ACCEL

# The suites that gate a change; what check-full runs besides, and what check-release
# does; those of pytest.
SUITES = $(if $(TOP:build=),$(VERSIONED),\
    unit qtest fuzz driver checks docs libvirt flood kvm guest vmemctl)
# Those that differ with the series of QEMU.
VERSIONED = unit qtest guest vmemctl
MORE = proof upstream variants big-endian series
LAST = newcomer packages
SANITIZED = unit qtest guest vmemctl
BY_PYTEST = driver checks docs libvirt flood kvm guest vmemctl variants newcomer series packages
OBJ = $(TOP)/qemu/obj
# Many tests wait for a clock, so one more than there are processors runs.
JOBS = $(shell expr $$(nproc) + 1)
UNIT = build/unit
# The other series of QEMU, and what is run with it, too: the qtests, and by check-full
# all that differs, with migration between the two.
OTHER = 11.1
BY_OTHER = $(if $(TOP:build=)$(QEMU_SRC)$(filter-out 0,$(SANITIZE)),,$(if $(FULL),$(VERSIONED:unit=),\
    $(filter qtest,$(SUITES))))
with-other = $(if $(strip $(BY_OTHER)),@$(MAKE) --no-print-directory $(1) QEMU=$(OTHER) \
    SUITES="$(strip $(BY_OTHER))" TARGETS=x86_64 RESULTS=build/results/$(OTHER))
# What the suites need; those that start a guest need most.
WITH_GUESTS = flood kvm guest vmemctl variants packages $(RELEASE:1=libvirt)
THINGS = qemu vmemctl unit \
    $(if $(filter $(WITH_GUESTS),$(SUITES)),storage-daemon stock guest/x86_64) \
    $(patsubst guest-%,guest/%,$(filter guest-%,$(BY_TARGET)))
# Machines that qos-test walks over beside those of x86_64: with the suite qtest, or alone
# where that runs with sanitizers.
QOS = $(patsubst %,qtest-%/qos-test,$(filter aarch64,$(TARGETS)))
# Rows of python/vmtest/target.py beside the first, and what runs once for each.
ROWS = aarch64 s390x $(if $(RELEASE),aarch64-16k aarch64-acpi s390x-pci riscv64)
BY_TARGET = $(if $(FULL),$(QOS:/qos-test=)) \
    $(if $(filter guest,$(SUITES)),$(patsubst %,guest-%,$(filter $(TARGETS:%=%%),$(ROWS))))
# The tests that pytest leaves out are those with these marks.
WITHOUT = $(if $(RELEASE)$(filter $(LAST),$(SUITES)),fuzz,\
    $(if $(FULL)$(filter $(MORE),$(SUITES)),release and not fuzz,full and not release and not fuzz))
PYTEST = $(PYTHON) -m pytest -n $(JOBS) --dist loadscope -q -m "not $(WITHOUT)"

ifneq ($(filter-out 0,$(SANITIZE)),)
override SUITES := $(filter $(SANITIZED),$(SUITES))
BUILT = sanitize/
RESULTS = $(TOP)/results/sanitize
OBJ = $(TOP)/sanitize/obj
UNIT = build/sanitize/unit
THINGS = sanitize sanitize/unit guest/x86_64
override TARGETS := x86_64
SLOW = -t 5
export VM_QEMU = $(CURDIR)/$(TOP)/sanitize/qemu-system-x86_64
export VMEMCTL = $(CURDIR)/$(UNIT)/tools/vmemctl/vmemctl
# Tests read what QEMU prints, so reports go to files. Without frame pointers in
# GLib only the slow way of unwinding tells who leaked; it takes four fifths of the
# time, so only qtests in which devices come and go look for leaks. QEMU's coroutines
# change stacks, so that stacks cannot be checked after a return.
REPORT = exitcode=99:log_path=$(CURDIR)/$(TOP)/logs/sanitizer/report
ASAN = detect_stack_use_after_return=0:$(REPORT)
export ASAN_OPTIONS = $(ASAN):fast_unwind_on_malloc=0:malloc_context_size=8
WITHOUT_LEAKS = ASAN_OPTIONS=$(ASAN):detect_leaks=0
LEAKS = $(patsubst %,qtest-x86_64/virtio-mem-%-test,\
    clients faults-life guard memslots migration start together)
export UBSAN_OPTIONS = halt_on_error=1:print_stacktrace=1:$(REPORT)
export LSAN_OPTIONS = suppressions=$(CURDIR)/tests/leaks.supp:print_suppressions=0
PYTESTS = tests/guest/test_resize.py tests/vmemctl --deselect tests/vmemctl/test_vm.py
else
PYTESTS = $(addprefix tests/,$(filter $(BY_PYTEST),$(SUITES)))
endif

.PHONY: build stock demo run bench flood fuzz coverage check check-full check-release install \
    dist deb export-series clean help ready tests

build:
	@$(HAVE) qemu vmemctl

stock:
	@$(HAVE) stock

# On Arm with firmware: only ACPI tells Linux the nodes of devices.
demo run: export VM_TARGET = $(or $(ARCH:aarch64=aarch64-acpi),x86_64)
demo run:
	@TARGETS=$(firstword $(subst -, ,$(VM_TARGET))) $(HAVE) qemu guest/$(VM_TARGET)
	@$(PYTHON) -m vmtest.$@

bench flood:
	@$(HAVE) qemu stock guest/x86_64 bench
	@$(PYTHON) -m bench$(if $(filter flood,$@),.flood,\
	    $(if $(filter-out 0,$(QUICK)),--quick) $(if $(ONLY),--only $(ONLY)) \
	    $(if $(ROUNDS),--rounds $(ROUNDS)))

# ---- tests ----

# What gates a change. Of aarch64, qos-test and the guest tests for all targets.
check: TARGETS := $(or $(TARGETS),x86_64 $(if $(TOP:build=),,aarch64))
check: ready
	@rm -rf $(TOP)/results $(TOP)/logs/sanitizer
	@$(MAKE) --no-print-directory tests
	+$(call with-other,tests)
	@$(PYTHON) -m results $(SUITES:%=$(BUILT)%) $(BY_TARGET) $(BY_OTHER:%=$(OTHER)/%)

# What fits into an hour, and all. With sanitizers the same unit tests and qtests run as
# without.
check-full: TARGETS := $(or $(TARGETS),x86_64 aarch64 s390x)
check-release: TARGETS := $(or $(TARGETS),x86_64 aarch64 s390x riscv64)
check-release: RELEASE = 1
check-full check-release: FULL = 1
check-full check-release: override SUITES := $(filter-out unit qtest,$(SUITES)) $(MORE) \
    $(if $(RELEASE),$(LAST))
check-full check-release: ready
	@$(HAVE) sanitize sanitize/unit
	@rm -rf $(TOP)/results $(TOP)/logs/sanitizer
	@$(MAKE) --no-print-directory tests SUITES="$(SUITES)" FULL=1 RELEASE=$(RELEASE)
	@$(MAKE) --no-print-directory tests SANITIZE=1
	+$(call with-other,tests)
	@$(PYTHON) -m results $(SUITES) $(BY_TARGET) $(SANITIZED:%=sanitize/%) \
	    $(BY_OTHER:%=$(OTHER)/%)

ready:
	@TARGETS="$(if $(strip $(BY_TARGET)$(filter qtest,$(SUITES))),$(sort x86_64 $(TARGETS)))" $(HAVE) $(THINGS) tests \
	    $(if $(filter fuzz,$(SUITES)),fuzz/unit) $(if $(filter proof,$(SUITES)),proofs) \
	    $(if $(RELEASE)$(filter $(LAST),$(SUITES)),newcomer)
	$(if $(filter big-endian,$(SUITES)),@$(PYTHON) -m vmtest.cross)
	+$(call with-other,ready)

# Every suite is run, whatever the others come to; results judges.
tests:
	@mkdir -p $(RESULTS) $(TOP)/logs/sanitizer
	-@$(MAKE) --no-print-directory -k \
	    $(addprefix test-,$(filter-out $(BY_PYTEST),$(SUITES)) $(BY_TARGET)) \
	    $(if $(PYTESTS),test-by-pytest)

# $(call meson,SUITE,BUILD DIRECTORY,ARGUMENTS,SUFFIX,ENVIRONMENT): run it and keep its
# results. meson adds the name of a wrapper to that of its logs.
define meson
@rm -f $(2)/meson-logs/$(1)$(4).*
-@$(5) build/meson test -C $(2) --logbase $(1) --print-errorlogs --num-processes $(JOBS) $(3)
@cp $(2)/meson-logs/$(1)$(4).json $(RESULTS)/$(1).json
@cp $(2)/meson-logs/$(1)$(4).junit.xml $(RESULTS)/$(1).xml
endef

test-unit:
	$(call meson,unit,$(UNIT),--suite unit $(SLOW))

# Those that are programs; all others are parts of qos-test.
QTESTS = $(shell sed -n "s,^  '\(virtio-mem-.*-test\)': .*,qtest-x86_64/\1,p" \
    tests/qtest/virtio-mem/meson.build)
test-qtest:
	$(call meson,qtest,$(OBJ),$(filter-out $(LEAKS),$(QTESTS)) qtest-x86_64/qos-test $(QOS) \
	    -t 5,,$(WITHOUT_LEAKS))
	$(if $(LEAKS),$(call meson,qtest-leaks,$(OBJ),$(LEAKS) -t 5))

# The pure modules as programs for s390x, emulated. Two programs are left out: explore
# takes too long, residency asks the kernel of pages, whose addresses differ there.
test-big-endian:
	$(call meson,big-endian,build/s390x/unit,--suite unit 'test-virtio-mem-[!er]*' -t 20)

test-fuzz:
	$(call meson,fuzz,build/fuzz/unit,--suite fuzz)

test-proof:
	$(call meson,proof,build/proofs,--suite proof)

# QEMU's own tests that can see the device. What stock fails here, too: a table
# with an address that SeaBIOS chooses, and two that need the x2APIC of KVM's CPU.
test-upstream:
	$(call meson,upstream,$(OBJ),$(addprefix qtest-x86_64/,device-introspect-test \
	    test-hmp qom-test qmp-cmd-test device-plug-test numa-test) -t 2)
	$(call meson,upstream-tables,$(OBJ),qtest-x86_64/bios-tables-test -t 2 \
	    --wrapper 'env VM_QEMU=./qemu-system-x86_64 \
	    QTEST_QEMU_BINARY=$(CURDIR)/tests/upstream/qemu-system-x86_64' \
	    --test-args '-s /x86_64/acpi/piix4/dimmpxm \
	    -s /x86_64/acpi/q35/core-count2 -s /x86_64/acpi/q35/thread-count2',-env)

test-qtest-%:
	$(call meson,qtest-$*,$(OBJ),qtest-$*/qos-test -t 5)

# The guest tests that are for all targets, on one of the others.
test-guest-%:
	-@VM_TARGET=$* $(PYTEST) tests/guest --junitxml $(RESULTS)/guest-$*.xml

# A variable, as a comma would part the arguments of if.
MEMSLOTS = unplugged-inaccessible=on,dynamic-memslots=on
BY_SLOTS = $(patsubst %,tests/guest/test_%.py,resize migration hotplug numa suspend)
test-by-pytest:
	-@$(PYTEST) $(PYTESTS) --junitxml $(RESULTS)/pytest.xml
	$(if $(FULL),-@VM_DEVICE_OPTIONS=$(MEMSLOTS) $(PYTEST) $(BY_SLOTS) \
	    --junitxml $(RESULTS)/guest-memslots.xml)

fuzz:
	@$(HAVE) qemu fuzz/unit fuzz tests
	@build/meson test -C build/fuzz/unit --suite fuzz -t 0 --verbose \
	    --test-args=-max_total_time=$(or $(SECONDS),600)
	@$(PYTHON) -m pytest -m fuzz tests/fuzz --seconds $(or $(SECONDS),600) -s
	@VIRTIO_MEM_LOADS=5000 build/meson test -C $(OBJ) -t 5 \
	    qtest-x86_64/virtio-mem-stream-test --test-args '-p /x86_64/virtio-mem/stream/random-damage'

coverage:
	@$(HAVE) coverage coverage/unit tests
	-@build/meson test -C build/coverage/unit --suite unit
	-@build/meson test -C $(TOP)/qemu/coverage 'qtest-x86_64/virtio-mem-*' \
	    qtest-x86_64/qos-test -t 15
	@gcovr -r $(TOP)/qemu/src -f '.*hw/virtio/virtio-mem.*' $(TOP)/qemu/coverage \
	    --txt-metric branch --html-details build/coverage/index.html -s

# ---- the rest ----

export-series:
	@$(PYTHON) -m series

install: build
	install -Dm755 -t '$(DESTDIR)$(PREFIX)/bin' $(wildcard $(TOP)/qemu-system-*) \
	    $(wildcard build/unit/tools/vmemctl/vmemctl)
	cd $(TOP)/qemu/obj/qemu-bundle/usr/local/share/qemu && find -L . -type f \
	    -exec install -Dm644 '{}' '$(DESTDIR)$(PREFIX)/share/qemu/{}' ';'
	install -Dm644 -t '$(DESTDIR)$(PREFIX)/share/man/man1' tools/vmemctl/vmemctl.1
	install -Dm644 tools/vmemctl/vmemctl.bash \
	    '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/vmemctl'
	install -Dm644 -t '$(DESTDIR)$(PREFIX)/share/vmemctl' tools/vmemctl/monitoring/*.yml \
	    tools/vmemctl/monitoring/*.json
	sed 's,@bindir@,$(PREFIX)/bin,' tools/vmemctl/monitoring/vmemctl-export.service.in | \
	    install -Dm644 /dev/stdin '$(DESTDIR)$(PREFIX)/lib/systemd/system/vmemctl-export.service'

# What is committed; the bytes depend on nothing else but git and xz. git sees to it
# that a failure of xz is one.
DIST = build/virtio-mem-qemu-$(file <VERSION)
dist:
	@mkdir -p build
	@git diff --quiet HEAD || echo "what is not committed is not in it" >&2
	@git -c core.autocrlf=false -c tar.umask=0022 -c tar.tar.xz.command='xz -9cT1' \
	    archive --prefix='$(notdir $(DIST))/' -o '$(DIST).tar.xz' HEAD
	@sha256sum '$(DIST).tar.xz'

deb:
	@$(HAVE) qemu packaging
	@packaging/deb.sh

clean:
	rm -rf build

help:
	@sed -n 's/^#: \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

#: make         build QEMU with our virtio-mem, and vmemctl, in build/
#: make demo    boot a Debian guest and show resizing step by step; ARCH=aarch64
#: make run     the same VM, with its console and monitor on the terminal
#: make check   build, and run the tests that gate a change; SUITES="unit qtest" runs
#:              only those; SANITIZE=1 with gcc's sanitizers. One test:
#:                build/meson test -C build/unit NAME
#:                build/meson test -C build/qemu/obj NAME
#:                pytest -k NAME
#: make check-full  what fits into an hour: also QEMU's own tests, proofs, sanitizers,
#:              other ways to configure QEMU, guests with QEMU 11.1 and on s390x
#: make check-release  all tests, some hours: also each patch of the series, all machines,
#:              and README.md, libvirt and packages on fresh Debians
#: make bench   measure ours beside stock, report in build/bench; QUICK=1: five minutes;
#:              ONLY="stalls sizes" ROUNDS=3: these parts, so often
#: make flood   time the monitor under a flooding guest, ours beside stock
#: make fuzz    fuzz pure modules and the whole device for SECONDS=600 each
#: make coverage  show which lines of the device the tests reach
#: make stock   build build/stock/qemu-system-x86_64 with QEMU's own device
#: make export-series  write the project as patches for QEMU's maintainers, in build/series
#: make install install the emulator and vmemctl below PREFIX=/usr/local, DESTDIR=
#: make dist    pack what is committed: build/virtio-mem-qemu-VERSION.tar.xz
#: make deb     make packages for the Debian that runs here, in build/packages
#: make clean   remove build/ (downloads stay in the cache directory)
#: make help    this list
#:
#: QEMU=11.1                be laid over this series (qemu.pin), in build/11.1/; with
#:                          all verbs, also stock; 10.0 otherwise
#: QEMU_SRC=path            use this QEMU source tree; it is not modified
#: TARGETS="x86_64 aarch64"  build QEMU for these, and test with them
#: CONFIGURE_FLAGS="…"      give these to QEMU's configure as well
#: ACCEL=tcg or ACCEL=kvm   do not find out which accelerator can run guests
#: DEBIAN_ARCHIVE=address   use this Debian archive
