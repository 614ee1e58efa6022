/*
 * virtio-mem: a device whose unplugged memory is protected
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "virtio-mem-driver.h"
#include "virtio-mem-protected.h"

#define EVENT "MEMORY_DEVICE_UNPLUGGED_ACCESS"

/* --- what is told --------------------------------------------------------- */

uint64_t accesses(void)
{
    QDict *data = device_info();
    const uint64_t count = qdict_get_int(data, "unplugged-accesses");

    qobject_unref(data);
    return count;
}

char *protection(void)
{
    QDict *data = device_info();
    char *name = g_strdup(qdict_get_str(data, "unplugged-protection"));

    qobject_unref(data);
    return name;
}

void wait_for_more(uint64_t before)
{
    const gint64 end = g_get_monotonic_time() + TIMEOUT_US;

    while (accesses() == before) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* An event comes; returns its count. */
uint64_t assert_told(uint64_t offset)
{
    QDict *event = qtest_qmp_eventwait_ref(global_qtest, EVENT);
    QDict *data = qdict_get_qdict(event, "data");
    const uint64_t told = qdict_get_int(data, "offset");
    const uint64_t count = qdict_get_int(data, "count");

    g_assert_cmpstr(qdict_get_str(data, "id"), ==, QVIRTIO_MEM_ID);
    g_assert_cmpstr(qdict_get_str(data, "qom-path"), ==,
                    "/machine/peripheral/" QVIRTIO_MEM_ID);
    /* The page with it, of whatever size. */
    g_assert_cmpuint(told, <=, offset);
    g_assert_cmpuint(told / BLOCK, ==, offset / BLOCK);
    g_assert_cmpuint(count, >, 0);
    qobject_unref(event);
    return count;
}

void assert_not_told(void)
{
    g_assert_null(qtest_qmp_event_ref(global_qtest, EVENT));
}

uint64_t address(QVirtioMEM *mem, uint64_t offset)
{
    return block_addr(mem, 0) + offset;
}

/* --- each kind of memory -------------------------------------------------- */

const Memory memories[MEMORIES] = {
    { "anonymous", "memory-backend-ram" },
    { "anonymous-shared", "memory-backend-ram,share=on" },
    { "memfd", "memory-backend-memfd" },
    { "memfd-private", "memory-backend-memfd,share=off" },
    { "memfd-huge-pages", "memory-backend-memfd,hugetlb=on,hugetlbsize=2M" },
    { "file", "memory-backend-file,share=on", "/dev/shm" },
    { "file-on-disk", "memory-backend-file,share=on", ".", true },
    { "template", "memory-backend-file,share=off", "/dev/shm", true },
};

Bed *start(const Memory *memory, const char *mode, const char *options)
{
    Bed *bed = g_new0(Bed, 1);
    g_autofree char *place = NULL, *object = NULL;
    g_autofree char *all = g_strconcat(mode, ",requested-size=1G", options,
                                       NULL);

    if (memory->directory) {
        bed->path = g_strdup_printf("%s/virtio-mem-protection-XXXXXX",
                                    memory->directory);
        bed->fd = g_mkstemp(bed->path);
        g_assert_cmpint(ftruncate(bed->fd, GiB), ==, 0);
        place = g_strdup_printf(",mem-path=%s", bed->path);
    }
    object = g_strdup_printf(" -object %s,id=mem0,size=1G,reserve=off%s",
                             memory->type, place ?: "");
    bed->side = boot_driver(NEW, object, all, "");
    plug_blocks(&bed->side->mem, PLUGGED, 1);
    return bed;
}

void stop(Bed *bed)
{
    leave(bed->side);
    if (bed->path) {
        close(bed->fd);
        unlink(bed->path);
        g_free(bed->path);
    }
    g_free(bed);
}

bool can_have(const Memory *memory)
{
    g_autofree char *free_pages = NULL;

    if (!strstr(memory->type, "hugetlb")) {
        return true;
    }
    g_file_get_contents("/sys/kernel/mm/hugepages/hugepages-2048kB/"
                        "free_hugepages", &free_pages, NULL, NULL);
    if (free_pages && atoi(free_pages) >= 4) {
        return true;
    }
    g_test_skip("fewer than 4 huge pages of 2 MiB are free");
    return false;
}

/* --- what is no violation ------------------------------------------------- */

void assert_no_false_alarm(const void *opaque, const char *mode)
{
    Bed *bed;
    QVirtioMEM *mem;
    gint64 end;

    if (!can_have(opaque)) {
        return;
    }
    bed = start(opaque, mode, ",prealloc=on,unplugged-protection-interval=1");
    mem = &bed->side->mem;
    end = g_get_monotonic_time() + 2 * LONG_ENOUGH_US;
    while (g_get_monotonic_time() < end) {
        const uint64_t block = g_test_rand_int_range(PLUGGED + 1, 100);
        const uint16_t few = strstr(((const Memory *)opaque)->type, "hugetlb") ?
                             2 : g_test_rand_int_range(1, 60);

        plug_blocks(mem, block, few);
        qtest_writeb(global_qtest, address(mem, block * BLOCK), 1);
        if (g_test_rand_bit()) {
            unplug_blocks(mem, block, few);
        } else {
            g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                             VIRTIO_MEM_RESP_ACK);
        }
    }
    g_assert_cmpuint(accesses(), ==, 0);
    assert_not_told();
    stop(bed);
}
