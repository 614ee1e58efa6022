/*
 * virtio-mem: what is mapped with dynamic-memslots=on
 *
 * The device has 16 GiB, so that with the default size it has 16 slots. Which
 * are mapped is read in the flat view, which is what accelerators and vhost
 * have.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-mem-driver.h"
#include "virtio-mem-sides.h"

#define DYNAMIC ",dynamic-memslots=on"
#define PER_SLOT (GiB / BLOCK)
#define SPARE_NS (5 * 1000 * 1000 * 1000ULL)

static Side *as_usual(void)
{
    return boot_driver(NEW, MEMORY, DYNAMIC ",requested-size=16G", "");
}

/* --- what is mapped ------------------------------------------------------- */

static char *mtree(const char *options)
{
    g_autofree char *line = g_strdup_printf("info mtree%s", options);

    return qtest_hmp(global_qtest, "%s", line);
}

/* How often @what is in the flat view of the memory. */
static unsigned in_flat_view(const char *what)
{
    g_autofree char *text = mtree(" -f");
    const char *view = strstr(text, "AS \"memory\"");
    const char *end, *at = view;
    unsigned count = 0;

    g_assert_nonnull(view);
    end = strstr(view, "\nFlatView ") ?: view + strlen(view);
    while ((at = strstr(at, what)) && at < end) {
        count++;
        at++;
    }
    return count;
}

/* The flat view, the regions and both monitors say so. */
static void assert_mapped(unsigned mapped, unsigned slots)
{
    g_autofree char *regions = mtree("");
    g_autofree char *told = qtest_hmp(global_qtest, "info memory-devices");
    g_autofree char *expected = g_strdup_printf(", %u of %u memslots mapped",
                                                mapped, slots);
    QDict *data = device_info();
    unsigned aliases = 0;

    for (unsigned slot = 0; slot < slots; slot++) {
        g_autofree char *alias = g_strdup_printf("alias virtio-mem-memslot-%u ",
                                                 slot);

        aliases += strstr(regions, alias) != NULL;
    }
    g_assert_cmpuint(in_flat_view(": mem0"), ==, mapped);
    g_assert_cmpuint(aliases, ==, mapped);
    g_assert_cmpuint(qdict_get_int(data, "memslots"), ==, slots);
    g_assert_cmpuint(qdict_get_int(data, "mapped-memslots"), ==, mapped);
    g_assert_nonnull(strstr(told, expected));
    qobject_unref(data);
}

static void follows_what_is_plugged(void)
{
    Side *side = as_usual();
    QVirtioMEM *mem = &side->mem;

    assert_mapped(0, 16);
    plug_blocks(mem, 5, 1);
    assert_mapped(1, 16);
    plug_blocks(mem, PER_SLOT - 1, 2);
    assert_mapped(2, 16);
    plug_blocks(mem, 9 * PER_SLOT, PER_SLOT);
    assert_mapped(3, 16);
    unplug_blocks(mem, 9 * PER_SLOT, PER_SLOT - 1);
    assert_mapped(3, 16);
    leave(side);
}

/* The last slot to become empty stays mapped for a while, and only that one. */
static void spare(void)
{
    Side *side = as_usual();
    QVirtioMEM *mem = &side->mem;

    plug_blocks(mem, 0, 1);
    plug_blocks(mem, PER_SLOT, 1);
    unplug_blocks(mem, 0, 1);
    assert_mapped(2, 16);
    unplug_blocks(mem, PER_SLOT, 1);
    assert_mapped(1, 16);
    qtest_clock_step(global_qtest, SPARE_NS - 1000);
    assert_mapped(1, 16);
    qtest_clock_step(global_qtest, 2000);
    assert_mapped(0, 16);

    plug_blocks(mem, 0, 1);
    unplug_blocks(mem, 0, 1);
    plug_blocks(mem, 0, 1);
    qtest_clock_step(global_qtest, 2 * SPARE_NS);
    assert_mapped(1, 16);
    leave(side);
}

static void unplug_all(void)
{
    Side *side = as_usual();
    QVirtioMEM *mem = &side->mem;

    for (unsigned slot = 0; slot < 16; slot += 3) {
        plug_blocks(mem, slot * PER_SLOT, 1);
    }
    assert_mapped(6, 16);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    assert_mapped(0, 16);
    leave(side);
}

static void system_reset(void)
{
    Side *side = as_usual();

    plug_blocks(&side->mem, 0, PER_SLOT + 1);
    assert_mapped(2, 16);
    qtest_system_reset(global_qtest);
    await_unplugged();
    assert_mapped(0, 16);
    leave(side);
}

/* What has no slot cannot be reached; what has one keeps its content. */
static void content(void)
{
    Side *side = as_usual();
    QVirtioMEM *mem = &side->mem;
    const uint64_t first = block_addr(mem, 0);
    const uint64_t second = block_addr(mem, PER_SLOT);

    plug_blocks(mem, 0, 1);
    qtest_writeq(global_qtest, first, 0x1122334455667788);
    qtest_writeq(global_qtest, second, 42);
    g_assert_cmphex(qtest_readq(global_qtest, second), !=, 42);
    plug_blocks(mem, PER_SLOT, 1);
    g_assert_cmphex(qtest_readq(global_qtest, second), ==, 0);
    qtest_writeq(global_qtest, second, 43);
    g_assert_cmphex(qtest_readq(global_qtest, second), ==, 43);
    unplug_blocks(mem, PER_SLOT, 1);
    qtest_clock_step(global_qtest, SPARE_NS);
    assert_mapped(1, 16);
    plug_blocks(mem, PER_SLOT, 1);
    g_assert_cmphex(qtest_readq(global_qtest, second), ==, 0);
    g_assert_cmphex(qtest_readq(global_qtest, first), ==, 0x1122334455667788);
    leave(side);
}

/* --- how many ------------------------------------------------------------- */

typedef struct Choice {
    const char *name;
    const char *memory;
    const char *options;
    unsigned slots;
} Choice;

#define BACKEND(size) \
    " -object memory-backend-ram,id=mem0,reserve=off,size=" size

static const Choice choices[] = {
    { "one-GiB-each", BACKEND("16G"), "", 16 },
    { "a-part-of-one", BACKEND("1026M"), "", 2 },
    { "less-than-one", BACKEND("512M"), "", 1 },
    { "smaller", BACKEND("4G"), ",memslot-size=256M", 16 },
    { "larger", BACKEND("16G"), ",memslot-size=4G", 4 },
    { "larger-than-all", BACKEND("1G"), ",memslot-size=4G", 1 },
    /* 256 for all memory devices, of which this one has 32 of 64 GiB. */
    { "as-many-as-offered", BACKEND("32G"), ",memslot-size=256M", 128 },
};

static void choose(const void *opaque)
{
    const Choice *choice = opaque;
    g_autofree char *options = g_strconcat(DYNAMIC, choice->options, NULL);
    Side *side = boot_driver(NEW, choice->memory, options, "");

    assert_mapped(0, choice->slots);
    leave(side);
}

/* All that there are are shared. */
static void many_devices(void)
{
    g_autoptr(GString) line = g_string_new("-machine q35 -nodefaults"
                                           " -m 32M,maxmem=80G");
    QDict *rsp;
    QList *devices;
    const QListEntry *entry;
    unsigned slots = 0, nb = 0;

    for (unsigned i = 0; i < 32; i++) {
        g_string_append_printf(line, " -object memory-backend-ram,id=mem%u,"
                               "size=2G,reserve=off -device virtio-mem-pci,"
                               "id=vm%u,memdev=mem%u,block-size=2M,"
                               "multifunction=on,addr=%x.%u" DYNAMIC, i, i, i,
                               4 + i / 8, i % 8);
    }
    global_qtest = qtest_init(line->str);
    rsp = qtest_qmp(global_qtest, "{ 'execute': 'query-memory-devices' }");
    devices = qdict_get_qlist(rsp, "return");
    QLIST_FOREACH_ENTRY(devices, entry) {
        QDict *device = qobject_to(QDict, qlist_entry_obj(entry));

        slots += qdict_get_int(qdict_get_qdict(device, "data"), "memslots");
        nb++;
    }
    g_assert_cmpuint(nb, ==, 32);
    g_assert_cmpuint(slots, ==, 64);
    qobject_unref(rsp);
    qtest_quit(global_qtest);
}

static void off_is_as_before(void)
{
    Side *side = boot_driver(NEW, MEMORY, ",dynamic-memslots=off", "");
    g_autofree char *told = qtest_hmp(global_qtest, "info memory-devices");
    QDict *data = device_info();

    g_assert_cmpuint(in_flat_view(": mem0"), ==, 1);
    g_assert_false(qdict_haskey(data, "memslots"));
    g_assert_false(qdict_haskey(data, "mapped-memslots"));
    g_assert_null(strstr(told, "memslots"));
    qobject_unref(data);
    leave(side);
}

/* --- migration ------------------------------------------------------------ */

typedef struct Journey {
    const char *name;
    const char *from, *to;      /* dynamic-memslots */
} Journey;

static const Journey journeys[] = {
    { "on-to-on", "on", "on" },
    { "on-to-off", "on", "off" },
    { "off-to-on", "off", "on" },
};

/* Slots are in no stream. */
static void move(const void *opaque)
{
    const Journey *journey = opaque;
    g_autofree char *from = g_strdup_printf(
        ",requested-size=16G,dynamic-memslots=%s", journey->from);
    g_autofree char *to = g_strdup_printf(
        ",requested-size=16G,dynamic-memslots=%s", journey->to);
    g_autofree char *path = temporary_file();
    Side *side = boot_driver(NEW, MEMORY, from, "");
    Side *other = destination(NEW, to, "");
    QVirtioMEM *mem = turn_to(side);
    QDict *data;
    uint64_t addr;

    plug_blocks(mem, 0, 1);
    plug_blocks(mem, 3 * PER_SLOT, 2);
    plug_blocks(mem, 3 * PER_SLOT + 9, 2);
    addr = block_addr(mem, 3 * PER_SLOT);
    qtest_writeq(global_qtest, addr, 4711);
    save(side, path);

    turn_to(other);
    load(other, path);
    data = device_info();
    g_assert_cmpuint(qdict_get_int(data, "size"), ==, 5 * BLOCK);
    qobject_unref(data);
    g_assert_cmpuint(qtest_readq(global_qtest, addr), ==, 4711);
    if (g_str_equal(journey->to, "on")) {
        assert_mapped(2, 16);
    }
    leave(other);
    leave(side);
    unlink(path);
}

/* --- refusals ------------------------------------------------------------- */

typedef struct Refusal {
    const char *name;
    const char *memory;
    const char *options;
    const char *message;
} Refusal;

static const Refusal refusals[] = {
    { "inaccessible-off", BACKEND("1G"), DYNAMIC ",unplugged-inaccessible=off",
      "'dynamic-memslots' needs 'unplugged-inaccessible' to be on" },
    { "inaccessible-auto", BACKEND("1G"),
      DYNAMIC ",unplugged-inaccessible=auto",
      "'dynamic-memslots' needs 'unplugged-inaccessible' to be on" },
    { "size-without-slots", BACKEND("1G"), ",memslot-size=1G",
      "'memslot-size' needs 'dynamic-memslots' to be on" },
    { "size-no-power-of-two", BACKEND("1G"), DYNAMIC ",memslot-size=384M",
      "'memslot-size' (384 MiB) must be a power of two and at least 128 MiB" },
    { "size-too-small", BACKEND("1G"), DYNAMIC ",memslot-size=64M",
      "'memslot-size' (64 MiB) must be a power of two and at least 128 MiB" },
    { "size-zero", BACKEND("1G"), DYNAMIC ",memslot-size=0",
      "must be a power of two and at least" },
    { "size-below-block-size", BACKEND("1G"),
      DYNAMIC ",block-size=256M,memslot-size=128M",
      "'memslot-size' (128 MiB) must be at least 'block-size' and the page size"
      " of the memory backend (256 MiB)" },
    { "too-many", BACKEND("63G"), DYNAMIC ",memslot-size=128M",
      "'memslot-size' (128 MiB) needs 504 memory slots, of which 252 can be"
      " had; it must be at least 256 MiB" },
};

static void refuse(const void *opaque)
{
    const Refusal *refusal = opaque;
    g_autofree char *line = g_strdup_printf(
        "exec %s -machine q35 -nodefaults -display none -m 256M,maxmem=64G"
        " %s -device virtio-mem-pci,id=vm0,memdev=mem0%s 2>&1",
        getenv("QTEST_QEMU_BINARY"), refusal->memory, refusal->options);

    assert_does_not_start(line, refusal->message);
}

/* With auto that resolves to on, and what is hot-plugged. */
static void accepted(void)
{
    global_qtest = qtest_init("-machine q35 -m 256M,maxmem=8G"
        " -object memory-backend-memfd,id=mem0,size=1G,reserve=off"
        " -device virtio-mem-pci,id=vm0,memdev=mem0,"
        "unplugged-inaccessible=auto" DYNAMIC
        " -object memory-backend-ram,id=mem1,size=2G,reserve=off"
        " -device pcie-root-port,id=rp");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'device_add',"
        " 'arguments': { 'driver': 'virtio-mem-pci', 'id': 'vm1',"
        " 'bus': 'rp', 'memdev': 'mem1', 'dynamic-memslots': true,"
        " 'memslot-size': 134217728 } }");
    g_assert_cmpuint(in_flat_view(": mem1"), ==, 0);
    qtest_quit(global_qtest);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-mem/memslots/follows-what-is-plugged",
                   follows_what_is_plugged);
    qtest_add_func("virtio-mem/memslots/spare", spare);
    qtest_add_func("virtio-mem/memslots/unplug-all", unplug_all);
    qtest_add_func("virtio-mem/memslots/system-reset", system_reset);
    qtest_add_func("virtio-mem/memslots/content", content);
    qtest_add_func("virtio-mem/memslots/many-devices", many_devices);
    qtest_add_func("virtio-mem/memslots/off-is-as-before", off_is_as_before);
    qtest_add_func("virtio-mem/memslots/accepted", accepted);
    for (size_t i = 0; i < G_N_ELEMENTS(choices); i++) {
        g_autofree char *path = g_strdup_printf("virtio-mem/memslots/choice/%s",
                                                choices[i].name);

        qtest_add_data_func(path, &choices[i], choose);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(journeys); i++) {
        g_autofree char *path = g_strdup_printf(
            "virtio-mem/memslots/migration/%s", journeys[i].name);

        qtest_add_data_func(path, &journeys[i], move);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf(
            "virtio-mem/memslots/refused/%s", refusals[i].name);

        qtest_add_data_func(path, &refusals[i], refuse);
    }
    return g_test_run();
}
