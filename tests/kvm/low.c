/*
 * A library for LD_PRELOAD: a KVM without paging stands in for one that has it
 *
 * KVM has the memory from 4 GiB on at 1 GiB, too, where the guest would have it
 * with paging (tests/bare/window.h). And where KVM emulates an instruction whose
 * memory it cannot reach, it leaves that to QEMU, as if there was a device. A CPU
 * that runs the instruction makes KVM_RUN fail with EFAULT, and tries again the
 * next time: so does this library, with an access by the kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOW         (1ull << 30)
#define HIGH        (4ull << 30)
#define MORE_SLOTS  256     /* QEMU's are below */

typedef int Ioctl(int fd, unsigned long request, ...);

static Ioctl *next;
static struct kvm_userspace_memory_region slots[MORE_SLOTS];

/* Where the guest's address is in this process; NULL: not in this memory. */
static char *host_of(const struct kvm_run *run)
{
    const unsigned long long at = run->mmio.phys_addr;

    for (unsigned i = 0; i < MORE_SLOTS; i++) {
        const struct kvm_userspace_memory_region *slot = &slots[i];

        if (at >= slot->guest_phys_addr &&
            at - slot->guest_phys_addr < slot->memory_size) {
            return (char *)slot->userspace_addr + (at - slot->guest_phys_addr);
        }
    }
    return 0;
}

/* As the kernel would do it: in user mode the access would be another one. */
static bool access_memory(struct kvm_run *run, char *host)
{
    const struct iovec here = { run->mmio.data, run->mmio.len };
    const struct iovec there = { host, run->mmio.len };

    return (run->mmio.is_write
            ? process_vm_writev(getpid(), &here, 1, &there, 1, 0)
            : process_vm_readv(getpid(), &here, 1, &there, 1, 0)) ==
           run->mmio.len;
}

static int run_cpu(int fd)
{
    static __thread struct kvm_run *run;
    static __thread char *missing;
    int ret;

    if (!run) {
        run = mmap(0, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (missing) {
        if (!access_memory(run, missing)) {
            errno = EFAULT;
            return -1;
        }
        missing = 0;
    }
    ret = next(fd, KVM_RUN, 0);
    if (!ret && run->exit_reason == KVM_EXIT_MMIO &&
        (missing = host_of(run))) {
        errno = EFAULT;
        return -1;
    }
    return ret;
}

static int set_low(int fd, struct kvm_userspace_memory_region region)
{
    region.guest_phys_addr += LOW - HIGH;
    slots[region.slot % MORE_SLOTS] = region;
    region.slot += MORE_SLOTS;
    return next(fd, KVM_SET_USER_MEMORY_REGION, &region);
}

int ioctl(int fd, unsigned long request, ...)
{
    const struct kvm_userspace_memory_region *region;
    va_list list;
    void *argument;
    int ret;

    va_start(list, request);
    argument = va_arg(list, void *);
    va_end(list);
    if (!next) {
        next = (Ioctl *)dlsym(RTLD_NEXT, "ioctl");
    }
    if (request == KVM_RUN) {
        return run_cpu(fd);
    }
    ret = next(fd, request, argument);
    region = argument;
    if (!ret && request == KVM_SET_USER_MEMORY_REGION &&
        region->guest_phys_addr >= HIGH) {
        ret = set_low(fd, *region);
    }
    return ret;
}
