/*
 * virtio-mem: properties and monitor commands
 *
 * What a user does with the device without a driver being there: look at it,
 * resize, plug and unplug it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

#define MiB (1024ULL * 1024)
#define GiB (1024 * MiB)

#define MEMORY " -m 256M,maxmem=8G"
#define BACKEND " -object memory-backend-ram,id=mem0,size=1G,reserve=off"
#define DEVICE " -device virtio-mem-pci,id=vm0,memdev=mem0"
#define DEFAULT_VM MEMORY BACKEND DEVICE
/* The default block size depends on the kernel. */
#define VM DEFAULT_VM ",block-size=2M"

/* --- properties --------------------------------------------------------- */

static uint64_t get_uint(QTestState *qts, const char *property)
{
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'qom-get', 'arguments': {"
                           " 'path': 'vm0', 'property': %s } }", property);
    const uint64_t value = qdict_get_int(rsp, "return");

    qobject_unref(rsp);
    return value;
}

static char *get_string(QTestState *qts, const char *property)
{
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'qom-get', 'arguments': {"
                           " 'path': 'vm0', 'property': %s } }", property);
    char *value = g_strdup(qdict_get_str(rsp, "return"));

    qobject_unref(rsp);
    return value;
}

/* The request fails with @message (part of it) and error class @class. */
static void assert_error(QDict *rsp, const char *class, const char *message)
{
    const QDict *error = qdict_get_qdict(rsp, "error");

    g_assert_nonnull(error);
    g_test_message("%s", qdict_get_str(error, "desc"));
    g_assert_cmpstr(qdict_get_str(error, "class"), ==, class);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), message));
    qobject_unref(rsp);
}

static void defaults(void)
{
    QTestState *qts = qtest_init("-machine q35" DEFAULT_VM);
    g_autofree char *inaccessible = get_string(qts, "unplugged-inaccessible");
    g_autofree char *thp = NULL;
    uint64_t block_size = 1 * MiB;

    if (g_file_get_contents("/sys/kernel/mm/transparent_hugepage/"
                            "hpage_pmd_size", &thp, NULL, NULL)) {
        block_size = g_ascii_strtoull(thp, NULL, 10);
    }
    g_assert_cmpuint(get_uint(qts, "block-size"), ==, block_size);
    g_assert_cmpuint(get_uint(qts, "size"), ==, 0);
    g_assert_cmpuint(get_uint(qts, "requested-size"), ==, 0);
    g_assert_cmpuint(get_uint(qts, "node"), ==, 0);
    g_assert_cmpuint(get_uint(qts, "vectors"), ==, 2);
    g_assert_cmpuint(get_uint(qts, "memaddr"), ==, 4 * GiB);
    g_assert_cmpstr(inaccessible, ==, "on");
    qtest_quit(qts);
}

static void smallest_block_size(void)
{
    QTestState *qts = qtest_init("-machine q35" VM
                                 ",block-size=1M,size=3M");

    g_assert_cmpuint(get_uint(qts, "block-size"), ==, 1 * MiB);
    g_assert_cmpuint(get_uint(qts, "requested-size"), ==, 3 * MiB);
    qtest_quit(qts);
}

/* Both names of the first requested size, with the same value. */
static void size_given_twice(void)
{
    QTestState *qts = qtest_init("-machine q35" VM
                                 ",size=256M,requested-size=256M");

    g_assert_cmpuint(get_uint(qts, "requested-size"), ==, 256 * MiB);
    g_assert_cmpuint(get_uint(qts, "size"), ==, 0);
    qtest_quit(qts);

    qts = qtest_init("-machine q35" VM ",requested-size=1G,size=1024M");
    g_assert_cmpuint(get_uint(qts, "requested-size"), ==, GiB);
    qtest_quit(qts);
}

typedef struct MachineDefaults {
    const char *machine;
    const char *inaccessible;
    uint64_t vectors;
} MachineDefaults;

static const MachineDefaults machine_defaults[] = {
    { "pc-q35-10.0", "on", 2 },
    { "pc-q35-9.2", "on", 0 },
    { "pc-q35-8.1", "on", 0 },
    { "pc-q35-8.0", "auto", 0 },
    { "pc-q35-7.2", "auto", 0 },
    { "pc-q35-6.2", "off", 0 },
    { "pc-i440fx-10.0", "on", 2 },
    { "pc-i440fx-6.2", "off", 0 },
};

/* What machine types set for compatibility reaches the device. */
static void machine_type(const void *data)
{
    const MachineDefaults *want = data;
    QTestState *qts = qtest_initf("-machine %s" VM, want->machine);
    g_autofree char *inaccessible = get_string(qts, "unplugged-inaccessible");

    g_assert_cmpstr(inaccessible, ==, want->inaccessible);
    g_assert_cmpuint(get_uint(qts, "vectors"), ==, want->vectors);
    qtest_quit(qts);
}

/* --- interrupts ---------------------------------------------------------- */

#define DEVFN 0x28      /* addr=05 */
#define CAP_LIST 0x34
#define CAP_MSIX 0x11

static uint32_t pci_config(QTestState *qts, uint8_t offset)
{
    qtest_outl(qts, 0xcf8, 0x80000000 | DEVFN << 8 | (offset & ~3));
    return qtest_inl(qts, 0xcfc) >> (8 * (offset & 3));
}

/* Entries of the MSI-X table, 0 without one. */
static unsigned msix_vectors(QTestState *qts)
{
    uint8_t cap = pci_config(qts, CAP_LIST);

    g_assert_cmphex(pci_config(qts, 0), ==, 0x10581af4);
    while (cap && (pci_config(qts, cap) & 0xff) != CAP_MSIX) {
        cap = pci_config(qts, cap + 1);
    }
    return cap ? (pci_config(qts, cap + 2) & 0x7ff) + 1 : 0;
}

typedef struct Vectors {
    const char *path;
    const char *machine;
    const char *option;
    unsigned vectors;
} Vectors;

static const Vectors vectors[] = {
    { "default", "pc-q35-10.0", "", 2 },
    { "machine-type-9.2", "pc-q35-9.2", "", 0 },
    { "none", "pc-q35-10.0", ",vectors=0", 0 },
    { "one", "pc-q35-10.0", ",vectors=1", 1 },
    { "more", "pc-q35-10.0", ",vectors=5", 5 },
    { "more-on-machine-type-9.2", "pc-q35-9.2", ",vectors=5", 5 },
};

static void msix(const void *data)
{
    const Vectors *test = data;
    QTestState *qts = qtest_initf("-machine %s" VM ",addr=05%s", test->machine,
                                  test->option);

    g_assert_cmpuint(msix_vectors(qts), ==, test->vectors);
    g_assert_cmpuint(get_uint(qts, "vectors"), ==, test->vectors);
    qtest_quit(qts);
}

/* --- what device-list-properties says ------------------------------------ */

/* Call @fn with what is said of each property. */
static void foreach_property(void (*fn)(const QDict *property))
{
    QTestState *qts = qtest_init("-machine none");
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'device-list-properties',"
                           "  'arguments': { 'typename': 'virtio-mem-pci' } }");
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), entry) {
        fn(qobject_to(QDict, qlist_entry_obj(entry)));
    }
    qobject_unref(rsp);
    qtest_quit(qts);
}

static unsigned found;

static void check_vectors(const QDict *property)
{
    if (g_str_equal(qdict_get_str(property, "name"), "vectors")) {
        /* "Unspecified", as it is with QEMU's own device. */
        g_assert_cmphex(qdict_get_int(property, "default-value"), ==,
                        UINT32_MAX);
        found++;
    }
}

static void list_vectors(void)
{
    found = 0;
    foreach_property(check_vectors);
    g_assert_cmpuint(found, ==, 1);
}

static const char *const described[] = {
    "block-size", "ioeventfd", "memaddr", "memdev", "node", "prealloc",
    "prealloc-reserve", "prealloc-threads", "requested-size", "resize-events",
    "size", "unplugged-inaccessible", "vectors", "x-early-migration", NULL
};

static void check_description(const QDict *property)
{
    if (g_strv_contains(described, qdict_get_str(property, "name"))) {
        const char *text = qdict_get_try_str(property, "description");

        /* More than the type. */
        g_test_message("%s: %s", qdict_get_str(property, "name"), text);
        g_assert_nonnull(text);
        g_assert_nonnull(strchr(text, ' '));
        found++;
    }
}

static void list_descriptions(void)
{
    found = 0;
    foreach_property(check_description);
    g_assert_cmpuint(found, ==, ARRAY_SIZE(described) - 1);
}

/* --- once the device exists ---------------------------------------------- */

static void fixed_once_realized(void)
{
    QTestState *qts = qtest_init("-machine q35" VM);

    assert_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                           " 'path': 'vm0', 'property': 'size',"
                           " 'value': 0 } }"), "GenericError",
                 "'size' is read-only once the device exists; set"
                 " 'requested-size' instead");
    assert_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                           " 'path': 'vm0', 'property': 'block-size',"
                           " 'value': 4194304 } }"), "GenericError",
                 "'block-size' cannot be changed");
    assert_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                           " 'path': 'vm0', 'property': 'requested-size',"
                           " 'value': 2147483648 } }"), "GenericError",
                 "'requested-size' cannot exceed the memory backend size"
                 " (2147483648 bytes > 1073741824 bytes)");
    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': 'vm0', 'property': 'requested-size',"
                             " 'value': 536870912 } }");
    g_assert_cmpuint(get_uint(qts, "requested-size"), ==, 512 * MiB);
    qtest_quit(qts);
}

/* --- the resize command ------------------------------------------------- */

typedef struct ResizeError {
    const char *path;
    const char *id;
    const char *size;       /* JSON */
    const char *class;
    const char *message;
} ResizeError;

static const ResizeError resize_errors[] = {
    { "no-such-device", "vm9", "0", "DeviceNotFound",
      "'id': there is no device 'vm9'" },
    { "no-device-object", "/objects/mem0", "0", "DeviceNotFound",
      "'id': there is no device '/objects/mem0'" },
    { "pc-dimm", "dimm0", "0", "GenericError",
      "'id': device 'dimm0' (pc-dimm) is not a resizable memory device" },
    { "other-device", "rng0", "0", "GenericError",
      "'id': device 'rng0' (virtio-rng-pci) is not a resizable memory device" },
    { "unaligned", "vm0", "4097", "GenericError",
      "'size' must be a multiple of the block size (4097 bytes is no multiple"
      " of 2097152 bytes)" },
    { "too-large", "vm0", "1075838976", "GenericError",
      "'size' cannot exceed the memory backend size (1075838976 bytes >"
      " 1073741824 bytes)" },
    { "negative", "vm0", "-2097152", "GenericError",
      "'size' is negative or too large; it must be from 0 to the memory"
      " backend size (1073741824 bytes)" },
    { "overflow", "vm0", "18446744073709551615", "GenericError",
      "'size' is negative or too large" },
    { "no-number", "vm0", "'4G'", "GenericError",
      "Parameter 'size' expects uint64" },
};

static void resize_error(const void *data)
{
    const ResizeError *test = data;
    g_autofree char *request = NULL;
    QTestState *qts;

    qts = qtest_init("-machine q35 -m 256M,maxmem=8G,slots=1"
                     " -object memory-backend-ram,id=m1,size=128M"
                     " -device pc-dimm,id=dimm0,memdev=m1"
                     " -device virtio-rng-pci,id=rng0"
                     BACKEND DEVICE ",block-size=2M,size=256M");
    request = g_strdup_printf("{ 'execute': 'memory-device-resize',"
                              " 'arguments': { 'id': '%s', 'size': %s } }",
                              test->id, test->size);
    qtest_qmp_send_raw(qts, "%s", request);
    assert_error(qtest_qmp_receive(qts), test->class, test->message);
    g_assert_cmpuint(get_uint(qts, "requested-size"), ==, 256 * MiB);
    qtest_quit(qts);
}

static void resize_by_id_or_path(void)
{
    static const char *const names[] = {
        "vm0", "/machine/peripheral/vm0",
        "/machine/peripheral/vm0/virtio-backend",
    };
    QTestState *qts = qtest_init("-machine q35" VM);

    for (int i = 0; i < ARRAY_SIZE(names); i++) {
        const uint64_t size = (i + 1) * 128 * MiB;

        qtest_qmp_assert_success(qts, "{ 'execute': 'memory-device-resize',"
                                 "  'arguments': { 'id': %s,"
                                 "                 'size': %" PRIu64 " } }",
                                 names[i], size);
        g_assert_cmpuint(get_uint(qts, "requested-size"), ==, size);
    }
    qtest_quit(qts);
}

static void assert_hmp(QTestState *qts, const char *command,
                       const char *message)
{
    g_autofree char *output = qtest_hmp(qts, "%s", command);

    g_test_message("%s: %s", command, output);
    if (message) {
        g_assert_nonnull(strstr(output, message));
    } else {
        g_assert_cmpstr(output, ==, "");
    }
}

static void resize_hmp(void)
{
    static const struct {
        const char *size;
        uint64_t bytes;
    } good[] = {
        { "512", 512 * MiB }, { "0", 0 }, { "1G", GiB }, { "2M", 2 * MiB },
        { "4096k", 4 * MiB }, { "0x80", 128 * MiB }, { "0.5G", 512 * MiB },
    };
    static const struct {
        const char *command, *message;
    } bad[] = {
        { "memory-device-resize vm0 -2", "'size' is negative or too large; it"
          " must be from 0 to the memory backend size (1 GiB)" },
        { "memory-device-resize vm0 99999999999999999999", "'size' is"
          " negative or too large" },
        { "memory-device-resize vm0 8E", "'size' is negative or too large" },
        { "memory-device-resize vm0 lots", "'size' must be a number of MiB, or"
          " a number with a suffix (k, M, G, T), not 'lots'" },
        { "memory-device-resize vm0 1GiB", "'size' must be a number of MiB" },
        { "memory-device-resize vm0 3", "'size' must be a multiple of the block"
          " size (3 MiB is no multiple of 2 MiB)" },
        { "memory-device-resize vm0 4097k", "(4097 KiB is no multiple of"
          " 2048 KiB)" },
        { "memory-device-resize vm0 2G", "'size' cannot exceed the memory"
          " backend size (2 GiB > 1 GiB)" },
        { "memory-device-resize vm0 1026", "(1026 MiB > 1024 MiB)" },
        { "qom-set vm0 requested-size 3M", "(3 MiB is no multiple of 2 MiB)" },
        { "memory-device-resize vm9 2", "there is no device 'vm9'" },
        { "memory-device-resize vm0", "string expected" },
    };
    QTestState *qts = qtest_init("-machine q35" VM);

    for (int i = 0; i < ARRAY_SIZE(good); i++) {
        g_autofree char *command = g_strdup_printf("memory-device-resize vm0"
                                                   " %s", good[i].size);

        assert_hmp(qts, command, NULL);
        g_assert_cmpuint(get_uint(qts, "requested-size"), ==, good[i].bytes);
    }
    for (int i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_hmp(qts, bad[i].command, bad[i].message);
        g_assert_cmpuint(get_uint(qts, "requested-size"), ==, 512 * MiB);
    }
    assert_hmp(qts, "help memory-device-resize", "memory-device-resize id"
               " size -- ");
    qtest_quit(qts);
}

/* QEMU's own lines as they are in 10.0; ours come behind them. */
#define INFO                                                            \
    "Memory device [virtio-mem]: \"vm0\"\r\n"                           \
    "  memaddr: 0x100000000\r\n"                                        \
    "  node: 0\r\n"                                                     \
    "  requested-size: 268435456\r\n"                                   \
    "  size: 0\r\n"                                                     \
    "  max-size: 1073741824\r\n"                                        \
    "  block-size: 2097152\r\n"                                         \
    "  memdev: /objects/mem0\r\n"                                       \
    "  status: blocked (no-driver) since 0 s\r\n"
#define NO_REQUESTS ": ack 0, nack 0, busy 0, error 0\r\n"

/* The clock of a VM in a qtest stands still. */
static void info_hmp(void)
{
    QTestState *qts = qtest_init("-machine q35" VM ",size=256M");
    g_autofree char *brief = qtest_hmp(qts, "info memory-devices");
    g_autofree char *verbose = qtest_hmp(qts, "info memory-devices -v");

    g_assert_cmpstr(brief, ==, INFO);
    g_assert_cmpstr(verbose, ==,
                    INFO
                    "  plug requests" NO_REQUESTS
                    "  unplug requests" NO_REQUESTS
                    "  unplug-all requests" NO_REQUESTS
                    "  state requests" NO_REQUESTS
                    "  plugged in total: 0\r\n"
                    "  unplugged in total: 0\r\n"
                    "  host-time: 0 ms\r\n");
    assert_hmp(qts, "help info memory-devices", "info memory-devices [-v] -- ");
    qtest_quit(qts);
}

/* --- hot-plug and hot-unplug -------------------------------------------- */

static QDict *device_del(QTestState *qts)
{
    return qtest_qmp(qts, "{ 'execute': 'device_del',"
                          "  'arguments': { 'id': 'vm0' } }");
}

static void unplug_refused(void)
{
    QTestState *qts = qtest_init("-machine pc" VM ",size=256M");

    assert_error(device_del(qts), "GenericError",
                 "virtio-mem device cannot get unplugged while"
                 " 'requested-size' != '0'");
    qtest_quit(qts);

    qts = qtest_init("-machine pc" VM ",unplugged-inaccessible=off");
    assert_error(device_del(qts), "GenericError",
                 "virtio-mem device cannot get unplugged while"
                 " 'unplugged-inaccessible' != 'on'");
    qtest_quit(qts);
}

static void resize_refused_while_unplug_is_pending(void)
{
    QTestState *qts = qtest_init("-machine pc" VM);

    qtest_qmp_assert_success(qts, "{ 'execute': 'device_del',"
                                  "  'arguments': { 'id': 'vm0' } }");
    assert_error(qtest_qmp(qts, "{ 'execute': 'memory-device-resize',"
                           " 'arguments': { 'id': 'vm0',"
                           " 'size': 268435456 } }"), "GenericError",
                 "'size' cannot be changed while the device is being"
                 " unplugged");
    assert_error(qtest_qmp(qts, "{ 'execute': 'qom-set', 'arguments': {"
                           " 'path': 'vm0', 'property': 'requested-size',"
                           " 'value': 268435456 } }"), "GenericError",
                 "'requested-size' cannot be changed while the device is being"
                 " unplugged");
    g_assert_cmpuint(get_uint(qts, "requested-size"), ==, 0);
    qtest_quit(qts);
}

static size_t count_memory_devices(QTestState *qts)
{
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'query-memory-devices' }");
    const size_t count = qlist_size(qdict_get_qlist(rsp, "return"));

    qobject_unref(rsp);
    return count;
}

/* Parts of the device, which have no id, are deleted before the device. */
static void wait_for_deletion(QTestState *qts)
{
    bool deleted = false;

    while (!deleted) {
        QDict *event = qtest_qmp_eventwait_ref(qts, "DEVICE_DELETED");

        deleted = qdict_haskey(qdict_get_qdict(event, "data"), "device");
        qobject_unref(event);
    }
}

static void hotplug_and_unplug(void)
{
    QTestState *qts = qtest_init("-machine pc" MEMORY);

    for (int round = 0; round < 50; round++) {
        qtest_qmp_assert_success(qts, "{ 'execute': 'object-add', 'arguments':"
                                 " { 'qom-type': 'memory-backend-ram',"
                                 "   'id': 'mem0', 'size': 1073741824,"
                                 "   'reserve': false } }");
        qtest_qmp_assert_success(qts, "{ 'execute': 'device_add', 'arguments':"
                                 " { 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                                 "   'memdev': 'mem0',"
                                 "   'requested-size': 268435456 } }");
        g_assert_cmpuint(count_memory_devices(qts), ==, 1);
        assert_error(qtest_qmp(qts, "{ 'execute': 'object-del',"
                               "  'arguments': { 'id': 'mem0' } }"),
                     "GenericError", "'mem0'");   /* worded by QEMU */
        qtest_qmp_assert_success(qts, "{ 'execute': 'qom-get', 'arguments':"
                                 " { 'path': '/objects/mem0',"
                                 "   'property': 'size' } }");
        qtest_qmp_assert_success(qts, "{ 'execute': 'memory-device-resize',"
                                 " 'arguments': { 'id': 'vm0',"
                                 " 'size': 0 } }");
        /* Without a guest, the reset of the system ejects the device. */
        qtest_qmp_device_del_send(qts, "vm0");
        qtest_system_reset_nowait(qts);
        wait_for_deletion(qts);
        g_assert_cmpuint(count_memory_devices(qts), ==, 0);
        qtest_qmp_assert_success(qts, "{ 'execute': 'object-del',"
                                 "  'arguments': { 'id': 'mem0' } }");
    }
    qtest_quit(qts);
}

/* A device that is refused leaves nothing behind. */
static void refused_hotplug_leaves_nothing(void)
{
    QTestState *qts = qtest_init("-machine pc" MEMORY BACKEND);

    assert_error(qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments':"
                           " { 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                           "   'memdev': 'mem0', 'node': 3 } }"),
                 "GenericError", "'node' (3) must be below");
    assert_error(qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments':"
                           " { 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                           "   'memdev': 'mem0', 'requested-size': 1 } }"),
                 "GenericError", "'requested-size' must be a multiple of the"
                 " block size (1 bytes is no multiple of ");
    assert_hmp(qts, "device_add virtio-mem-pci,id=vm0,memdev=mem0,"
               "block-size=2M,size=3M", "(3 MiB is no multiple of 2 MiB)");
    assert_error(qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments':"
                           " { 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                           "   'memdev': 'mem0', 'block-size': 3145728 } }"),
                 "GenericError", "'block-size' (3145728 bytes) must be a power"
                 " of two and at least 1048576 bytes");
    assert_error(qtest_qmp(qts, "{ 'execute': 'device_add', 'arguments':"
                           " { 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                           "   'memdev': 'mem0', 'requested-size': 0,"
                           "   'size': 268435456 } }"),
                 "GenericError", "'size' (268435456 bytes) and"
                 " 'requested-size' (0 bytes) both set the requested size at"
                 " start, and differ");
    g_assert_cmpuint(count_memory_devices(qts), ==, 0);
    qtest_qmp_assert_success(qts, "{ 'execute': 'device_add', 'arguments':"
                             " { 'driver': 'virtio-mem-pci', 'id': 'vm0',"
                             "   'memdev': 'mem0' } }");
    g_assert_cmpuint(count_memory_devices(qts), ==, 1);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("virtio-mem/properties/defaults", defaults);
    qtest_add_func("virtio-mem/properties/smallest-block-size",
                   smallest_block_size);
    qtest_add_func("virtio-mem/properties/size-given-twice", size_given_twice);
    qtest_add_func("virtio-mem/properties/list/vectors", list_vectors);
    qtest_add_func("virtio-mem/properties/list/descriptions",
                   list_descriptions);
    for (int i = 0; i < ARRAY_SIZE(vectors); i++) {
        g_autofree char *path = g_strdup_printf("virtio-mem/vectors/%s",
                                                vectors[i].path);

        qtest_add_data_func(path, &vectors[i], msix);
    }
    qtest_add_func("virtio-mem/properties/fixed-once-realized",
                   fixed_once_realized);
    for (int i = 0; i < ARRAY_SIZE(machine_defaults); i++) {
        const MachineDefaults *test = &machine_defaults[i];
        g_autofree char *path = g_strdup_printf("virtio-mem/machine-type/%s",
                                                test->machine);

        qtest_add_data_func(path, test, machine_type);
    }
    for (int i = 0; i < ARRAY_SIZE(resize_errors); i++) {
        const ResizeError *test = &resize_errors[i];
        g_autofree char *path = g_strdup_printf("virtio-mem/resize/error/%s",
                                                test->path);

        qtest_add_data_func(path, test, resize_error);
    }
    qtest_add_func("virtio-mem/resize/by-id-or-path", resize_by_id_or_path);
    qtest_add_func("virtio-mem/resize/hmp", resize_hmp);
    qtest_add_func("virtio-mem/resize/refused-while-unplug-is-pending",
                   resize_refused_while_unplug_is_pending);
    qtest_add_func("virtio-mem/info/hmp", info_hmp);
    qtest_add_func("virtio-mem/hotplug/rounds", hotplug_and_unplug);
    qtest_add_func("virtio-mem/hotplug/refused-leaves-nothing",
                   refused_hotplug_leaves_nothing);
    qtest_add_func("virtio-mem/hotplug/unplug-refused", unplug_refused);

    return g_test_run();
}
