/*
 * virtio-mem: whose is what is in the memory, while one VM lives?
 *
 * From its start to its end, with memory of every kind: what the device gives
 * back is its own to give back, and a file that is mapped privately stays as it
 * is. virtio-mem-content-load-test.c has what a stream brings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-content.h"

/* --- a life --------------------------------------------------------------- */

static Side *start(Bed *bed)
{
    Side *side = boot_driver(bed->machine, bed->object, "", "");

    content_assert_file(bed, "--------");
    return side;
}

static Side *start_and_live(Bed *bed)
{
    Side *side = start(bed);

    content_live(&side->mem);
    content_assert_guest(bed, &side->mem, CONTENT_GUEST);
    content_assert_file(bed, CONTENT_IN_FILE);
    return side;
}

static void fresh_start(Bed *bed)
{
    leave(start_and_live(bed));
    content_assert_file(bed, CONTENT_IN_FILE);
}

static void unplug_some(Bed *bed)
{
    Side *side = start_and_live(bed);
    QVirtioMEM *mem = &side->mem;

    content_unplug(mem, 1);
    content_unplug(mem, 2);
    content_assert_guest(bed, mem, ".....gu.");
    content_assert_file(bed, "-----g~-");
    content_plug(mem, 1);
    content_assert_guest(bed, mem, ".u...gu.");
    content_assert_file(bed, "-~---g~-");
    leave(side);
    content_assert_file(bed, "-~---g~-");
}

/* All that was plugged can be plugged again, and has nothing of the guest. */
static void assert_all_is_new(Bed *bed, Side *side)
{
    content_assert_guest(bed, &side->mem, "........");
    content_assert_file(bed, "--------");
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_PLUG, 0,
                             CONTENT_BLOCKS), ==, VIRTIO_MEM_RESP_ACK);
    content_assert_guest(bed, &side->mem, "uuuuuuuu");
    leave(side);
    content_assert_file(bed, "~~~~~~~~");
}

static void unplug_all(Bed *bed)
{
    Side *side = start_and_live(bed);

    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    assert_all_is_new(bed, side);
}

static void system_reset(Bed *bed)
{
    Side *side = start_and_live(bed);
    uint16_t ret;

    reset_system(&side->mem);
    /* What a reset unplugs may go on; a request waits for it. */
    ret = request(&side->mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0);
    g_assert_cmpuint(ret, ==, VIRTIO_MEM_RESP_ACK);
    assert_all_is_new(bed, side);
}

/* A device reset changes nothing. */
static void device_reset(Bed *bed)
{
    Side *side = start_and_live(bed);

    restart_as_usual(&side->mem);
    content_assert_guest(bed, &side->mem, CONTENT_GUEST);
    content_assert_file(bed, CONTENT_IN_FILE);
    leave(side);
}

/* Populating is of pages of QEMU's own, also where they come from a file. */
static void prealloc(Bed *bed)
{
    Side *side = boot_driver(bed->machine, bed->object, ",prealloc=on", "");
    QVirtioMEM *mem = &side->mem;

    content_live(mem);
    content_assert_guest(bed, mem, CONTENT_GUEST);
    content_assert_file(bed, "-g0--g0-");
    content_unplug(mem, 1);
    content_unplug(mem, 6);
    content_assert_file(bed, "--0--g--");
    content_plug(mem, 1);
    content_assert_guest(bed, mem, ".u0..g..");
    leave(side);
    content_assert_file(bed, "-00--g--");
}

static void unplug_the_device(Bed *bed)
{
    Side *side = start_and_live(bed);

    resize(0);
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    qtest_qmp_device_del_send(global_qtest, QVIRTIO_MEM_ID);
    /* It has no slot of its own to be asked by; a reset ends it. */
    qtest_system_reset(global_qtest);
    qtest_qmp_eventwait(global_qtest, "DEVICE_DELETED");
    content_assert_file(bed, "--------");
    leave(side);
    content_assert_file(bed, "--------");
}

static void hot_plug(Bed *bed)
{
    QTestState *qts = qtest_initf("-nodefaults -m 32M,maxmem=1G");
    g_autofree char *backend = g_strdup_printf("object_add %s",
                                               strchr(bed->object, 'm'));
    g_autofree char *answer = qtest_hmp(qts, "%s", backend);

    g_assert_cmpstr(answer, ==, "");
    content_assert_file(bed, CONTENT_OF_FILE);
    qtest_qmp_device_add(qts, "virtio-mem-pci", "vm0",
                         "{ 'memdev': 'mem0', 'block-size': %llu }", BLOCK);
    content_assert_file(bed, "--------");
    qtest_quit(qts);
}

/* --- snapshots ------------------------------------------------------------ */

static void snapshot_and_back(Bed *bed)
{
    Side *side = start_and_live(bed);
    QVirtioMEM *mem = &side->mem;

    g_assert_true(g_file_set_contents(bed->stream, "", 0, NULL));
    add_snapshot_disk(bed->stream);
    hmp("savevm one");
    content_unplug(mem, 1);
    content_write(mem, 5, 'n');
    content_plug(mem, 7);
    content_write(mem, 7, 'n');
    content_assert_guest(bed, mem, "..0..nun");
    hmp("loadvm one");
    mem = restart_driver(side);
    content_assert_guest(bed, mem, CONTENT_GUEST);
    content_assert_file(bed, CONTENT_IN_FILE);
    content_unplug(mem, 5);
    content_plug(mem, 5);
    content_assert_guest(bed, mem, ".g0..uu.");
    leave(side);
    content_assert_file(bed, "-g~--~~-");
}

/* --- a VM that waits ------------------------------------------------------ */

/*
 * As users saw it: with nothing that this file adds, and bytes that are told
 * from any others.
 */
static void template_of_random_bytes(const void *options)
{
    const size_t size = 64 * MiB;
    g_autofree char *path = temporary_file(), *after = NULL;
    g_autofree uint32_t *before = g_new(uint32_t, size / sizeof(uint32_t));
    g_autofree char *sum = NULL, *sum_after = NULL;
    struct stat stat_before, stat_after;
    gsize size_after;
    QTestState *qts;

    for (size_t i = 0; i < size / sizeof(uint32_t); i++) {
        before[i] = g_test_rand_int();
    }
    g_assert_true(g_file_set_contents(path, (char *)before, size, NULL));
    g_assert_cmpint(stat(path, &stat_before), ==, 0);
    qts = qtest_initf("-nodefaults -m 128M,maxmem=4G"
                      " -object memory-backend-file,id=mem0,size=64M,"
                      "mem-path=%s,%s"
                      " -device virtio-mem-pci,id=vm0,memdev=mem0"
                      " -incoming defer", path, (const char *)options);
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(path, &after, &size_after, NULL));
    g_assert_cmpint(stat(path, &stat_after), ==, 0);
    unlink(path);
    g_assert_cmpint(size_after, ==, size);
    g_assert_cmpint(stat_after.st_blocks, ==, stat_before.st_blocks);
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)before,
                                      size);
    sum_after = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)after,
                                            size);
    g_assert_cmpstr(sum_after, ==, sum);
}

/* It may be a template, or all there is of a guest that arrives later. */
static void wait_and_quit(Bed *bed, const char *incoming)
{
    g_autofree char *more = g_strdup_printf("-incoming %s", incoming);
    Side *side = boot(bed->machine, bed->object, "", more);

    content_assert_file(bed, CONTENT_OF_FILE);
    qtest_system_reset(global_qtest);
    content_assert_file(bed, CONTENT_OF_FILE);
    leave(side);
    content_assert_file(bed, CONTENT_OF_FILE);
}

static void wait_for_a_command(Bed *bed)
{
    wait_and_quit(bed, "defer");
}

static void wait_for_a_stream(Bed *bed)
{
    wait_and_quit(bed, bed->uri);
}

static void hot_plug_while_waiting(Bed *bed)
{
    QTestState *qts = qtest_initf("-nodefaults -m 32M,maxmem=1G %s"
                                  " -incoming defer", bed->object);

    qtest_qmp_device_add(qts, "virtio-mem-pci", "vm0",
                         "{ 'memdev': 'mem0', 'block-size': %llu }", BLOCK);
    content_assert_file(bed, CONTENT_OF_FILE);
    qtest_quit(qts);
    content_assert_file(bed, CONTENT_OF_FILE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    content_add("fresh-start", OWNER_ANY, fresh_start);
    content_add("unplug-some", OWNER_ANY, unplug_some);
    content_add("unplug-all", OWNER_ANY, unplug_all);
    content_add("system-reset", OWNER_ANY, system_reset);
    content_add("device-reset", OWNER_ANY, device_reset);
    content_add("prealloc", OWNER_ANY, prealloc);
    content_add("unplug-the-device", OWNER_NAMED, unplug_the_device);
    content_add("hot-plug", OWNER_NAMED, hot_plug);
    content_add_both("snapshot-and-back", OWNER_ANY, snapshot_and_back);
    content_add("wait-for-a-command", OWNER_NAMED, wait_for_a_command);
    content_add("wait-for-a-stream", OWNER_NAMED, wait_for_a_stream);
    content_add("hot-plug-while-waiting", OWNER_NAMED,
                hot_plug_while_waiting);
    qtest_add_data_func("virtio-mem/content/random-bytes/private", "share=off",
                        template_of_random_bytes);
    qtest_add_data_func("virtio-mem/content/random-bytes/shared", "share=on",
                        template_of_random_bytes);
    qtest_add_data_func("virtio-mem/content/random-bytes/readonly",
                        "share=off,readonly=on,rom=off",
                        template_of_random_bytes);
    return g_test_run();
}
