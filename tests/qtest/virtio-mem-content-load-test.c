/*
 * virtio-mem: whose is what is in the memory, when a stream comes?
 *
 * What is in the stream arrives, in memory of every kind. What the stream
 * says is plugged is never discarded where others may see it, also when the
 * load fails, and a file that is mapped privately stays as it is.
 *
 * Not the device's, and so not tested here: QEMU itself gives all memory back
 * when an incoming postcopy begins, and punches a hole into the file for that,
 * also where it is mapped privately; it warns of it. And QEMU takes for granted
 * that memory is zero, and does not clear it, where zero pages come by multifd
 * or with mapped-ram: where a file has had something else, the guest sees that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqos/malloc-pc.h"
#include "libqos/pci-pc.h"
#include "virtio-mem-content.h"

/* What arrives of a content_send(), with zeroes where nobody wrote. */
#define ARRIVED ".g0..g0."

static Side *wait_for_stream(Bed *bed)
{
    return boot(bed->machine, bed->object, "", "-incoming defer");
}

/* The guest goes on, and so does the device. */
static void assert_goes_on(Bed *bed, Side *side)
{
    QVirtioMEM *mem = &side->mem;

    content_plug(mem, 3);
    content_write(mem, 3, 'n');
    content_unplug(mem, 1);
    content_assert_guest(bed, mem, "..0n.g0.");
}

/*
 * boot() asks QEMU for the size of its memory at once, and gets a wrong answer
 * when a load is on its way. So this is for a QEMU that loads by itself, or
 * cannot be asked yet; learn() is the rest.
 */
static Side *boot_only(const char *line, bool connect)
{
    Side *side = g_new0(Side, 1);

    side->qs = g_new0(QOSState, 1);
    side->qs->qts = qtest_init_ext(NULL, line, NULL, connect);
    return side;
}

static void learn(Side *side)
{
    QTestState *qts = side->qs->qts;

    pc_alloc_init(&side->qs->alloc, qts, ALLOC_NO_FLAGS);
    side->qs->pcibus = qpci_new_pc(qts, &side->qs->alloc);
}

/* As leave(), which frees what boot() has made only. */
static void leave_learned(Side *side)
{
    QPCIBus *bus = side->qs->pcibus;

    leave(side);
    qpci_free_pc(bus);
}

/* --- by itself ------------------------------------------------------------ */

static void assert_arrived(Bed *bed, Side *side, void (*leave_as)(Side *side))
{
    QVirtioMEM *mem = restart_driver(side);

    content_assert_guest(bed, mem, ARRIVED);
    content_assert_file(bed, CONTENT_IN_FILE);
    assert_goes_on(bed, side);
    content_assert_file(bed, "--~n-g~-");
    leave_as(side);
    content_assert_file(bed, "--~n-g~-");
}

static void load_and_go_on(Bed *bed)
{
    Side *side = wait_for_stream(bed);

    load(side, bed->stream);
    assert_arrived(bed, side, leave);
}

static void load_by_command(Bed *bed)
{
    content_send(bed, NULL);
    load_and_go_on(bed);
    /* It can be loaded again, whatever is in the file by now. */
    load_and_go_on(bed);
}

static void load_at_once(Bed *bed)
{
    g_autofree char *more = g_strdup_printf("-incoming file:%s", bed->stream);
    g_autofree char *line = command_line(bed->machine, bed->object, "", more);
    Side *side;

    content_send(bed, NULL);
    side = boot_only(line, true);
    turn_to(side);
    wait_for("query-migrate", "completed");
    learn(side);
    look_at_device(side);
    assert_arrived(bed, side, leave_learned);
}

/* What is populated at once is discarded, if at all, before. */
static void load_with_prealloc(Bed *bed)
{
    QVirtioMEM *mem;
    Side *side;

    content_send(bed, NULL);
    side = boot(bed->machine, bed->object, ",prealloc=on", "-incoming defer");
    load(side, bed->stream);
    mem = restart_driver(side);
    content_assert_guest(bed, mem, ARRIVED);
    content_assert_file(bed, "-g0--g0-");
    leave(side);
}

static void mapped_ram(Bed *bed)
{
    const bool zero = !(bed->memory->owner & OWNER_NAMED);
    QVirtioMEM *mem;
    Side *side;

    content_send(bed, "mapped-ram");
    side = wait_for_stream(bed);
    set_capability("mapped-ram");
    load(side, bed->stream);
    mem = restart_driver(side);
    /* Zero pages: see above. */
    content_assert_guest(bed, mem, zero ? ARRIVED : ".gf..gf.");
    content_assert_file(bed, "-gf--gf-");
    leave(side);
    content_assert_file(bed, "-gf--gf-");
}

/* --- not all of it -------------------------------------------------------- */

/* Where the name of a section is in the stream. */
static gsize place_of(const char *data, gsize size, const char *name)
{
    const char length = strlen(name);
    g_autofree char *section = g_strdup_printf("%c%s", length, name);
    const char *found = memmem(data, size, section, strlen(section));

    g_assert_nonnull(found);
    return found - data;
}

/*
 * Streams that end early, and then all of it, each for a QEMU of its own, as
 * none takes a second one. Nothing of what is plugged is discarded: what others
 * may see is there until it is written over.
 */
static void fail_to_load(Bed *bed, const char *whole, gsize size,
                         const char *shared)
{
    g_autofree char *cut = g_strconcat(bed->stream, ".cut", NULL);
    Side *side = wait_for_stream(bed);

    g_assert_true(g_file_set_contents(cut, whole, size, NULL));
    load_fails(cut);
    unlink(cut);
    content_assert_file(bed, shared);
    leave(side);
    content_assert_file(bed, shared);
}

static void failed_and_repeated(Bed *bed)
{
    g_autofree char *whole = NULL;
    gsize size, early, device;

    content_send(bed, NULL);
    g_assert_true(g_file_get_contents(bed->stream, &whole, &size, NULL));
    if (!strcmp(bed->machine, NEW)) {
        /* Which blocks are plugged is not known yet. */
        early = place_of(whole, size, PLACE "virtio-mem-device-early");
        fail_to_load(bed, whole, early, CONTENT_OF_FILE);
    }
    /* All of RAM is here, but not the device. */
    device = place_of(whole, size, PLACE "virtio-mem");
    fail_to_load(bed, whole, device, "*g0**g0*");
    fail_to_load(bed, whole, device, "*g0**g0*");
    load_and_go_on(bed);
}

/* --- over one file -------------------------------------------------------- */

/*
 * Both sides are on one host and over one file, and the stream has its content
 * all the same. The source is stopped, and has the guest as long as the other
 * side has not got it.
 */
static Side *stopped_source(Bed *bed)
{
    Side *from = boot_driver(bed->machine, bed->object, "", "");

    content_live(&from->mem);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'stop' }");
    return from;
}

/* ... which is told to go on, after @to has failed. */
static void assert_source_has_the_guest(Bed *bed, Side *from, Side *to)
{
    content_assert_file(bed, CONTENT_IN_FILE);
    leave(to);
    content_assert_file(bed, CONTENT_IN_FILE);
    turn_to(from);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    content_assert_guest(bed, &from->mem, ARRIVED);
    assert_goes_on(bed, from);
    leave(from);
}

static void one_file(Bed *bed)
{
    Side *from = stopped_source(bed), *to;

    to = boot(bed->machine, bed->object, "", "-incoming defer");
    content_assert_file(bed, CONTENT_IN_FILE);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate-incoming',"
                             "  'arguments': { 'uri': %s } }", bed->uri);
    content_assert_file(bed, CONTENT_IN_FILE);
    turn_to(from);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate',"
                             "  'arguments': { 'uri': %s } }", bed->uri);
    wait_for("query-migrate", "completed");
    leave(from);
    turn_to(to);
    wait_for("query-migrate", "completed");
    look_at_device(to);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    assert_arrived(bed, to, leave);
}

/* The other side came, waited, and was given up. */
static void one_file_not_migrated(Bed *bed)
{
    Side *from = stopped_source(bed);
    Side *to = boot(bed->machine, bed->object, "", "-incoming defer");

    assert_source_has_the_guest(bed, from, to);
}

/* It finds a difference when the blocks come. */
static void one_file_refused(Bed *bed)
{
    Side *from = stopped_source(bed), *to;

    save(from, bed->stream);
    to = boot(bed->machine, bed->object, ",memaddr=0x200000000",
              "-incoming defer");
    load_fails(bed->stream);
    assert_source_has_the_guest(bed, from, to);
}

/* It had all but the device. */
static void one_file_cut(Bed *bed)
{
    Side *from = stopped_source(bed), *to;
    g_autofree char *whole = NULL;
    gsize size;

    save(from, bed->stream);
    g_assert_true(g_file_get_contents(bed->stream, &whole, &size, NULL));
    g_assert_true(g_file_set_contents(
        bed->stream, whole, place_of(whole, size, PLACE "virtio-mem"), NULL));
    to = wait_for_stream(bed);
    load_fails(bed->stream);
    assert_source_has_the_guest(bed, from, to);
}

/* --- left out of the stream ----------------------------------------------- */

typedef void Prepare(void);

static void ignore_shared(void)
{
    set_capability("x-ignore-shared");
}

static void reboot(void)
{
    set_mode("cpr-reboot");
}

static void reboot_and_ignore_shared(void)
{
    reboot();
    ignore_shared();
}

/*
 * A VM with the file as shared memory is saved and ends. Then something comes
 * into the file where nothing is plugged: nobody is to touch that either.
 */
#define LEFT_IN_FILE "fg~ffg~f"

static void leave_in_file(Bed *bed, Prepare *prepare)
{
    Side *from = boot_driver(bed->machine, bed->shared, "", "");

    content_live(&from->mem);
    prepare();
    save(from, bed->stream);
    leave(from);
    for (const char *at = LEFT_IN_FILE, *l = at; *l; l++) {
        if (*l == 'f') {
            content_write_file(bed, l - at, 'f');
        }
    }
    bed->kept = LEFT_IN_FILE;
    content_assert_file(bed, LEFT_IN_FILE);
}

static Side *take_over(Bed *bed, const char *options, Prepare *prepare)
{
    Side *side = boot(bed->machine, bed->object, options, "-incoming defer");

    content_assert_file(bed, LEFT_IN_FILE);
    prepare();
    load(side, bed->stream);
    content_assert_file(bed, LEFT_IN_FILE);
    restart_driver(side);
    content_assert_guest(bed, &side->mem, ARRIVED);
    content_assert_file(bed, LEFT_IN_FILE);
    return side;
}

static void left_out_shared(Bed *bed, const char *options, Prepare *prepare)
{
    Side *side;

    leave_in_file(bed, prepare);
    side = take_over(bed, options, prepare);
    assert_goes_on(bed, side);
    content_assert_file(bed, "f-~nfg~f");
    leave(side);
    content_assert_file(bed, "f-~nfg~f");
}

static void left_out(Bed *bed)
{
    left_out_shared(bed, "", ignore_shared);
}

static void left_out_of_a_reboot(Bed *bed)
{
    left_out_shared(bed, "", reboot_and_ignore_shared);
}

/* What is left out is not populated either: holes stay holes. */
static void left_out_with_prealloc(Bed *bed)
{
    Side *side;

    leave_in_file(bed, ignore_shared);
    side = take_over(bed, ",prealloc=on", ignore_shared);
    content_assert_file(bed, "fg0ffg-f");
    leave(side);
}

/* A reboot whose stream has all RAM is a load like others. */
static void reboot_with_ram(Bed *bed)
{
    Side *side;

    leave_in_file(bed, reboot);
    side = wait_for_stream(bed);
    content_assert_file(bed, LEFT_IN_FILE);
    reboot();
    load(side, bed->stream);
    restart_driver(side);
    content_assert_guest(bed, &side->mem, ARRIVED);
    content_assert_file(bed, CONTENT_IN_FILE);
    leave(side);
}

/*
 * Clones of a template, two of which live beside each other. Each sees what is
 * in the file until it writes, and again after it has given its own page back.
 */
static void clones(Bed *bed)
{
    Side *first, *second;

    leave_in_file(bed, ignore_shared);
    first = take_over(bed, "", ignore_shared);
    second = take_over(bed, "", ignore_shared);
    turn_to(first);
    content_write(&first->mem, 1, 'n');
    content_assert_guest(bed, &first->mem, ".n0..g0.");
    turn_to(second);
    content_assert_guest(bed, &second->mem, ARRIVED);
    turn_to(first);
    content_unplug(&first->mem, 1);
    content_plug(&first->mem, 1);
    content_plug(&first->mem, 3);
    content_assert_guest(bed, &first->mem, ".g0f.g0.");
    reset_system(&first->mem);
    g_assert_cmpuint(request(&first->mem, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), ==,
                     VIRTIO_MEM_RESP_ACK);
    content_plug(&first->mem, 5);
    content_assert_guest(bed, &first->mem, ".....g..");
    leave(first);
    content_assert_file(bed, LEFT_IN_FILE);
    turn_to(second);
    content_assert_guest(bed, &second->mem, ARRIVED);
    leave(second);
    content_assert_file(bed, LEFT_IN_FILE);
}

/* --- handed over ---------------------------------------------------------- */

/* All memory of a VM that is to be handed over has to be shared. */
static char *transfer_command_line(Bed *bed, const char *options,
                                   const char *more)
{
    return g_strdup_printf("-machine pc,aux-ram-share=on -nodefaults"
                           " -m 32M,maxmem=64G"
                           " -object memory-backend-memfd,id=boot,size=32M"
                           " -numa node,nodeid=0,memdev=boot"
                           " -numa node,nodeid=1%s"
                           " -device virtio-mem-pci,id=" QVIRTIO_MEM_ID
                           ",memdev=mem0,node=1,block-size=2M,addr=04.0%s %s",
                           bed->object, options, more);
}

static Side *transfer_source(Bed *bed)
{
    g_autofree char *line = transfer_command_line(bed, "", "");
    Side *side = g_new0(Side, 1);

    side->qs = qtest_pc_boot("%s", line);
    turn_to(side);
    look_at_device(side);
    qvirtio_start_device(side->mem.vdev);
    qvirtio_mem_start(&side->mem, qvirtio_mem_usable_features(&side->mem));
    content_live(&side->mem);
    content_assert_file(bed, CONTENT_IN_FILE);
    return side;
}

/* It can be spoken to only when it has got what is handed over. */
static Side *transfer_destination(Bed *bed, const char *options)
{
    g_autofree char *more = g_strdup_printf(
        "-incoming defer -incoming cpr,addr.transport=socket,addr.type=unix,"
        "addr.path=%s/cpr", bed->dir);
    g_autofree char *line = transfer_command_line(bed, options, more);

    return boot_only(line, false);
}

/* Wait until someone listens at @path, without connecting to it. */
static void wait_for_listener(const char *path)
{
    const gint64 end = g_get_monotonic_time() + TIMEOUT_US;
    bool listens = false;

    while (!listens) {
        g_autofree char *sockets = NULL;
        g_auto(GStrv) lines = NULL;

        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
        g_assert_true(g_file_get_contents("/proc/net/unix", &sockets, NULL,
                                          NULL));
        lines = g_strsplit(sockets, "\n", -1);
        for (char **line = lines; *line; line++) {
            /* The flag of a socket that accepts connections. */
            listens |= g_str_has_suffix(*line, path) &&
                       strstr(*line, " 00010000 ");
        }
    }
}

/* Both have it then: the source is stopped, the destination waits. */
static void hand_over(Bed *bed, Side *from, Side *to)
{
    g_autofree char *cpr = g_strdup_printf("%s/cpr", bed->dir);
    g_autofree char *socket = g_strdup_printf("%s/socket", bed->dir);
    QTestState *qts = to->qs->qts;

    wait_for_listener(cpr);
    turn_to(from);
    set_mode("cpr-transfer");
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate',"
        " 'arguments': { 'channels': ["
        "   { 'channel-type': 'main', 'addr': { 'transport': 'socket',"
        "     'type': 'unix', 'path': %s } },"
        "   { 'channel-type': 'cpr', 'addr': { 'transport': 'socket',"
        "     'type': 'unix', 'path': %s } } ] } }", socket, cpr);
    qtest_connect(qts);
    qtest_qmp_handshake(qts, NULL);
    turn_to(to);
    learn(to);
    content_assert_file(bed, CONTENT_IN_FILE);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'migrate-incoming',"
                             "  'arguments': { 'uri': %s,"
                             "                 'exit-on-error': false } }",
                             bed->uri);
}

static void transfer(Bed *bed)
{
    Side *from = transfer_source(bed);
    Side *to = transfer_destination(bed, "");

    hand_over(bed, from, to);
    turn_to(from);
    wait_for("query-migrate", "completed");
    turn_to(to);
    wait_for("query-migrate", "completed");
    content_assert_file(bed, CONTENT_IN_FILE);
    leave(from);
    turn_to(to);
    look_at_device(to);
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    restart_driver(to);
    content_assert_guest(bed, &to->mem, ARRIVED);
    assert_goes_on(bed, to);
    content_assert_file(bed, "--~n-g~-");
    leave_learned(to);
}

/* Whether the source sees that it failed depends on when it did. */
static void wait_until_sent(void)
{
    const gint64 end = g_get_monotonic_time() + TIMEOUT_US;
    bool sent = false;

    while (!sent) {
        g_autofree char *migration = status_of("query-migrate");
        g_autofree char *vm = status_of("query-status");

        sent = (!g_strcmp0(migration, "completed") ||
                !g_strcmp0(migration, "failed")) &&
               g_strcmp0(vm, "finish-migrate");
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* The source goes on with what it had. */
static void transfer_refused(Bed *bed)
{
    Side *from = transfer_source(bed);
    Side *to = transfer_destination(bed, ",memaddr=0x200000000");

    hand_over(bed, from, to);
    turn_to(to);
    wait_for("query-migrate", "failed");
    leave_learned(to);
    turn_to(from);
    wait_until_sent();
    qtest_qmp_assert_success(global_qtest, "{ 'execute': 'cont' }");
    content_assert_guest(bed, &from->mem, ARRIVED);
    content_assert_file(bed, CONTENT_IN_FILE);
    assert_goes_on(bed, from);
    leave(from);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    content_add_both("load-by-command", OWNER_NAMED, load_by_command);
    content_add("load-by-command", OWNER_QEMU | OWNER_QEMU_SHARED,
                load_by_command);
    content_add_both("load-at-once", OWNER_NAMED, load_at_once);
    content_add("load-with-prealloc", OWNER_NAMED | OWNER_QEMU,
                load_with_prealloc);
    content_add("mapped-ram", OWNER_NAMED | OWNER_QEMU, mapped_ram);
    content_add_both("failed-and-repeated", OWNER_NAMED, failed_and_repeated);
    content_add_both("one-file", OWNER_SHARED, one_file);
    content_add("one-file-not-migrated", OWNER_SHARED, one_file_not_migrated);
    content_add_both("one-file-refused", OWNER_SHARED, one_file_refused);
    content_add_both("one-file-cut", OWNER_SHARED, one_file_cut);
    content_add_both("left-out", OWNER_SHARED, left_out);
    content_add("left-out-with-prealloc", OWNER_SHARED, left_out_with_prealloc);
    content_add("reboot", OWNER_SHARED, left_out_of_a_reboot);
    content_add("reboot-with-ram", OWNER_SHARED, reboot_with_ram);
    content_add_both("clones", OWNER_FILE, clones);
    content_add("transfer", OWNER_SHARED | OWNER_QEMU_SHARED, transfer);
    content_add("transfer-refused", OWNER_SHARED | OWNER_QEMU_SHARED,
                transfer_refused);
    return g_test_run();
}
