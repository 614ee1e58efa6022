/*
 * virtio-mem: resets, and what is in the memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <elf.h>
#include "qemu/module.h"
#include "virtio-mem-snapshot.h"

/* --- memory ----------------------------------------------------------- */

/* [16-20] */
static void unplug_discards(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    const uint64_t keep = block_addr(mem, 0), lose = block_addr(mem, 1);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 2);
    writeq(keep, 0x0123456789abcdef);
    writeq(keep + BLOCK - 8, 0xfedcba9876543210);
    writeq(lose, 0x0123456789abcdef);
    request(mem, VIRTIO_MEM_REQ_UNPLUG, 1, 1);
    request(mem, VIRTIO_MEM_REQ_PLUG, 1, 1);
    g_assert_cmphex(readq(keep), ==, 0x0123456789abcdef);
    g_assert_cmphex(readq(keep + BLOCK - 8), ==, 0xfedcba9876543210);
    g_assert_cmphex(readq(lose), ==, 0);
}

/*
 * A dump of the device's whole region holds what is plugged and nothing else.
 * QEMU's dump asks the device's RamDiscardManager.
 */
static void dump_has_plugged_memory_only(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);
    g_autofree char *path = NULL, *uri = NULL, *dump = NULL;
    const Elf64_Ehdr *ehdr;
    const Elf64_Phdr *phdr;
    uint64_t loaded = 0;
    gsize size;
    const int fd = g_file_open_tmp("virtio-mem-dump-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    uri = g_strconcat("file:", path, NULL);
    request(mem, VIRTIO_MEM_REQ_PLUG, 1, 2);
    request(mem, VIRTIO_MEM_REQ_PLUG, 300, 1);
    writeq(block_addr(mem, 2), 0x0123456789abcdef);
    qtest_qmp_assert_success(global_qtest,
                             "{ 'execute': 'dump-guest-memory', 'arguments':"
                             "  { 'paging': false, 'protocol': %s,"
                             "    'begin': %" PRIu64 ", 'length': %" PRIu64
                             " } }", uri, block_addr(mem, 0), (uint64_t)REGION);
    g_assert_true(g_file_get_contents(path, &dump, &size, NULL));
    unlink(path);

    ehdr = (const Elf64_Ehdr *)dump;
    phdr = (const Elf64_Phdr *)(dump + ehdr->e_phoff);
    for (int i = 0; i < ehdr->e_phnum; i++) {
        if (phdr[i].p_type == PT_LOAD) {
            loaded += phdr[i].p_memsz;
            g_assert_cmpuint(phdr[i].p_filesz, ==, phdr[i].p_memsz);
            if (phdr[i].p_paddr == block_addr(mem, 1)) {
                g_assert_cmpuint(phdr[i].p_memsz, ==, 2 * BLOCK);
                g_assert_cmphex(*(uint64_t *)(dump + phdr[i].p_offset + BLOCK),
                                ==, 0x0123456789abcdef);
            } else {
                g_assert_cmphex(phdr[i].p_paddr, ==, block_addr(mem, 300));
            }
        }
    }
    g_assert_cmpuint(loaded, ==, 3 * BLOCK);
    g_assert_cmpuint(size, <, 4 * BLOCK);
}

/* --- resets ----------------------------------------------------------- */

/* [13, 14] */
static void device_reset_changes_nothing(void *obj, void *data,
                                         QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 3, 4);
    writeq(block_addr(mem, 3), 0x0123456789abcdef);
    resize(512 * MiB);

    restart_as_usual(mem);

    g_assert_cmpuint(plugged_size(mem), ==, 4 * BLOCK);
    g_assert_cmpuint(usable_size(mem), ==, 1 * GiB + EXTENT);
    g_assert_cmpuint(requested_size(mem), ==, 512 * MiB);
    g_assert_cmpuint(state_of(mem, 3, 4), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(state_of(mem, 0, 3), ==, VIRTIO_MEM_STATE_UNPLUGGED);
    g_assert_cmphex(readq(block_addr(mem, 3)), ==, 0x0123456789abcdef);
}

/* [8, 21, 22] */
static void system_reset_unplugs_all(void *obj, void *data,
                                     QGuestAllocator *alloc)
{
    QVirtioMEM *mem = begin(obj, 1 * GiB);

    request(mem, VIRTIO_MEM_REQ_PLUG, 0, 100);
    resize(512 * MiB);
    reset_system(mem);
    await_unplugged();
    g_assert_cmpuint(plugged_size(mem), ==, 0);
    g_assert_cmpuint(requested_size(mem), ==, 512 * MiB);
    g_assert_cmpuint(usable_size(mem), ==, 512 * MiB + EXTENT);
    g_assert_cmpuint(state_of(mem, 0, 200), ==, VIRTIO_MEM_STATE_UNPLUGGED);
}

static const QVirtioMEMTest tests[] = {
    { "unplug/discards", unplug_discards },
    { "dump/has-plugged-memory-only", dump_has_plugged_memory_only },
    { "reset/device-reset-changes-nothing", device_reset_changes_nothing },
    { "reset/system-reset-unplugs-all", system_reset_unplugs_all },
};

static void register_reset_tests(void)
{
    add_tests(tests, ARRAY_SIZE(tests));
}

libqos_init(register_reset_tests);
