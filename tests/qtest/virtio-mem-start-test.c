/*
 * virtio-mem: command lines that are refused
 *
 * Each ends QEMU at once with a message that names the option and its limits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"

#define MEMORY " -m 256M,maxmem=8G"
#define BACKEND " -object memory-backend-ram,id=mem0,size=1G,reserve=off"
/* The default block size depends on the kernel. */
#define DEVICE " -device virtio-mem-pci,id=vm0,memdev=mem0,block-size=2M"
#define VM MEMORY BACKEND DEVICE
#define READ_ONLY(options)                                              \
    MEMORY " -object memory-backend-file,id=mem0,mem-path=/proc/self/exe," \
    "readonly=on,size=2M," options DEVICE
#define SIZES_DIFFER(size, requested_size)                              \
    "'size' (" size ") and 'requested-size' (" requested_size ") both set" \
    " the requested size at start, and differ; give one of them"
#define IS_ROM "'memdev' names the memory backend 'mem0', which is ROM"

typedef struct StartUpError {
    const char *path;
    const char *args;
    const char *message;    /* must be part of what QEMU prints */
    int before;             /* messages of QEMU's memory code before it */
} StartUpError;

static const StartUpError start_up_errors[] = {
    { "no-maxmem", "-m 256M" BACKEND DEVICE,
      "consider specifying the maxmem option" },
    { "larger-than-maxmem", "-m 256M,maxmem=512M" BACKEND DEVICE,
      "not enough space" },
    { "memaddr/unaligned", VM ",memaddr=0x140100000",
      "address must be aligned to 0x200000 bytes" },
    { "memaddr/out-of-range", VM ",memaddr=0x10000000",
      "can't add memory device [0x10000000:0x40000000], usable range" },
    { "memaddr/overlap", VM ",memaddr=0x140000000"
      " -object memory-backend-ram,id=mem1,size=1G,reserve=off"
      " -device virtio-mem-pci,memdev=mem1,memaddr=0x160000000",
      "address range conflicts with memory device id='vm0'" },
    { "requested-size/larger-than-backend", VM ",requested-size=2G",
      "'requested-size' cannot exceed the memory backend size"
      " (2 GiB > 1 GiB)" },
    { "requested-size/not-multiple-of-block", VM ",requested-size=3M",
      "'requested-size' must be a multiple of the block size (3 MiB is no"
      " multiple of 2 MiB)" },
    { "size/larger-than-backend", VM ",size=1026M",
      "'size' cannot exceed the memory backend size (1026 MiB > 1024 MiB)" },
    { "size/not-multiple-of-block", VM ",size=1M",
      "'size' must be a multiple of the block size (1 MiB is no multiple of"
      " 2 MiB)" },
    { "size/bytes", VM ",size=4097",
      "'size' must be a multiple of the block size (4097 bytes is no multiple"
      " of 2097152 bytes)" },
    { "size/overflow", VM ",size=8E",
      "'size' is negative or too large; it must be from 0 to the memory"
      " backend size (1 GiB)" },
    { "size/differs-from-requested-size", VM ",requested-size=128M,size=256M",
      SIZES_DIFFER("256 MiB", "128 MiB") },
    { "requested-size/differs-from-size", VM ",size=256M,requested-size=128M",
      SIZES_DIFFER("256 MiB", "128 MiB") },
    { "requested-size/zero-differs-from-size", VM ",size=256M,requested-size=0",
      SIZES_DIFFER("256 MiB", "0 MiB") },
    { "size/zero-differs-from-requested-size", VM ",size=0,requested-size=256M",
      SIZES_DIFFER("0 MiB", "256 MiB") },
    { "size/negative", VM ",size=-1", "Parameter 'size' expects size" },
    { "block-size/no-power-of-two", VM ",block-size=3M",
      "'block-size' (3 MiB) must be a power of two and at least 1 MiB" },
    { "block-size/below-minimum", VM ",block-size=512K",
      "'block-size' (512 KiB) must be a power of two and at least 1024 KiB" },
    { "block-size/zero", VM ",block-size=0",
      "'block-size' (0 MiB) must be a power of two and at least 1 MiB" },
    { "block-size/no-size", VM ",block-size=big",
      "Parameter 'block-size' expects size" },
    { "block-size/smaller-than-page", MEMORY
      " -object memory-backend-memfd,id=mem0,hugetlb=on,hugetlbsize=2M,size=64M,"
      "reserve=off" DEVICE ",block-size=1M",
      "'block-size' (1 MiB) must be at least the page size of the memory"
      " backend (2 MiB)" },
    { "block-size/larger-than-backend", VM ",block-size=2G",
      "'memdev': the memory backend size (1 GiB) must be a multiple of"
      " 'block-size' (2 GiB)" },
    { "backend/not-multiple-of-block", MEMORY
      " -object memory-backend-ram,id=mem0,size=130M,reserve=off" DEVICE
      ",block-size=4M",
      "'memdev': the memory backend size (130 MiB) must be a multiple of"
      " 'block-size' (4 MiB)" },
    { "backend/not-multiple-of-alignment", MEMORY
      " -object memory-backend-ram,id=mem0,size=1025M,reserve=off" DEVICE
      ",block-size=1M",
      "backend memory size must be multiple of 0x200000" },
    { "node/out-of-range", VM ",node=1",
      "'node' (1) must be below the number of NUMA nodes (1)" },
    { "node/out-of-range-numa", MEMORY
      " -object memory-backend-ram,id=boot,size=256M"
      " -numa node,nodeid=0,memdev=boot -numa node,nodeid=1"
      BACKEND DEVICE ",node=2",
      "'node' (2) must be below the number of NUMA nodes (2)" },
    { "memdev/missing", MEMORY " -device virtio-mem-pci,id=vm0",
      "'memdev' must be set to the id of a memory backend" },
    { "memdev/used-twice", VM " -device virtio-mem-pci,memdev=mem0",
      "'memdev' names the memory backend 'mem0', which is already used" },
    { "reserve/without-prealloc", VM ",prealloc-reserve=4M",
      "'prealloc-reserve' needs 'prealloc' to be on" },
    { "reserve/protection",
      VM ",prealloc=on,prealloc-reserve=4M,unplugged-protection=discard",
      "'prealloc-reserve' has unplugged memory populated, which"
      " 'unplugged-protection' (discard) keeps empty" },
    { "reserve/alignment", VM ",prealloc=on,prealloc-reserve=3M,block-size=2M",
      "'prealloc-reserve' must be a multiple of the block size" },
    { "reserve/too-large", VM ",prealloc=on,prealloc-reserve=1T",
      "'prealloc-reserve' cannot exceed the memory backend size" },
    { "memdev/prealloc", MEMORY
      " -object memory-backend-ram,id=mem0,size=64M,prealloc=on" DEVICE,
      "'memdev' names the memory backend 'mem0', which has prealloc=on" },
    { "memdev/rom", READ_ONLY("rom=on"), IS_ROM },
    { "memdev/rom-by-default", READ_ONLY("rom=auto"), IS_ROM },
    { "memdev/rom-shared", READ_ONLY("rom=on,share=on"), IS_ROM },
    { "memdev/rom-incoming", READ_ONLY("rom=on") " -incoming defer", IS_ROM },
    { "memdev/rom-shared-incoming",
      READ_ONLY("rom=on,share=on") " -incoming defer", IS_ROM },
    /* What would be warned of does not matter any more. */
    { "no-warning-beside/larger-than-backend", VM ",block-size=1M,size=2G",
      "'size' cannot exceed the memory backend size" },
    { "no-warning-beside/not-discardable", MEMORY
      " -object memory-backend-file,id=mem0,mem-path=/dev/zero,share=on,size=2M"
      DEVICE ",prealloc=on,x-early-migration=off,unplugged-inaccessible=off",
      "'memdev': memory of the backend cannot be given back to the host", 2 },
    { "maxmem-beyond-phys-bits", "-m 256M,maxmem=4000T" BACKEND DEVICE,
      "phys-bits too low" },
    { "microvm/no-pci", "-machine microvm" VM, "No 'PCI' bus found" },
    { "microvm/pcie", "-machine microvm,pcie=on" VM,
      "machine 'microvm' does not support virtio-mem on bus 'pcie.0'" },
    { "microvm/pcie-no-memdev", "-machine microvm,pcie=on" MEMORY
      " -device virtio-mem-pci,id=vm0",
      "'memdev' must be set to the id of a memory backend" },
    { "microvm/pcie-memaddr", "-machine microvm,pcie=on" VM
      ",memaddr=0x140000000",
      "machine 'microvm' does not support virtio-mem on bus 'pcie.0'" },
    { "microvm/virtio-mmio", "-machine microvm" MEMORY BACKEND
      " -device virtio-mem,memdev=mem0,memaddr=0x140000000",
      "machine 'microvm' does not support virtio-mem on bus 'main-system-bus'" },
    { "mem-lock", "-overcommit mem-lock=on" VM,
      "virtio-mem cannot be used with '-overcommit mem-lock'" },
};

/* QEMU ends by itself, with exit status 1 and nothing but its messages. */
static void start_up_error(const void *data)
{
    const StartUpError *test = data;
    g_autofree char *command = NULL, *output = NULL;
    g_auto(GStrv) lines = NULL;
    int status, messages = 0;

    command = g_strdup_printf("timeout 60 %s -nodefaults -no-user-config"
                              " -display none -S %s",
                              getenv("QTEST_QEMU_BINARY"), test->args);
    g_test_message("%s", command);
    g_assert_true(g_spawn_command_line_sync(command, NULL, &output, &status,
                                            NULL));
    g_test_message("%s", output);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(output, test->message));
    lines = g_strsplit(g_strchomp(output), "\n", -1);
    for (int i = 0; lines[i]; i++) {
        /* A sanitizer may add a note of its own, "==PID==WARNING: ...". */
        messages += !g_str_has_prefix(lines[i], "==");
    }
    g_assert_cmpint(messages, ==, 1 + test->before);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (int i = 0; i < ARRAY_SIZE(start_up_errors); i++) {
        const StartUpError *test = &start_up_errors[i];
        g_autofree char *path = g_strdup_printf("virtio-mem/start-up-error/%s",
                                                test->path);

        qtest_add_data_func(path, test, start_up_error);
    }
    return g_test_run();
}
