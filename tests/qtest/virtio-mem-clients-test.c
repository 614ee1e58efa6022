/*
 * virtio-mem: QMP clients that know QEMU 10.0, and nothing newer
 *
 * Each test replays what such a client sends, on a monitor of its own, while a
 * driver plugs and unplugs what is requested. Every message that the client
 * gets has to be one of 10.0's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqmp.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "virtio-mem-sides.h"

#define SECOND (1000 * 1000 * 1000LL)
#define SIZE_CHANGE "MEMORY_DEVICE_SIZE_CHANGE"

/* A name and all keys of the data, those inside of others as a path. */
static const char *const events[][40] = {
#include "virtio-mem-events.inc"
};

typedef struct Client {
    int fd;
    Side *side;
    bool stopped;               /* the VM, by a command of the client */
    unsigned size_changes;
} Client;

/* --- what a client of 10.0 understands ------------------------------------ */

static const char *const *find_event(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
        if (!strcmp(events[i][0], name)) {
            return events[i];
        }
    }
    return NULL;
}

static bool has_key(const char *const *event, const char *path)
{
    for (size_t i = 1; event[i]; i++) {
        if (!strcmp(event[i], path)) {
            return true;
        }
    }
    return false;
}

static bool knows_keys(const char *const *event, const QDict *data,
                       const char *prefix)
{
    for (const QDictEntry *e = qdict_first(data); e; e = qdict_next(data, e)) {
        g_autofree char *path = g_strconcat(prefix, qdict_entry_key(e), NULL);
        g_autofree char *inside = g_strconcat(path, ".", NULL);
        const QDict *value = qobject_to(QDict, qdict_entry_value(e));

        if (!has_key(event, path) ||
            (value && !knows_keys(event, value, inside))) {
            g_test_message("key %s of %s is not known", path, event[0]);
            return false;
        }
    }
    return true;
}

static bool has_only(const QDict *dict, const char *const *keys)
{
    for (const QDictEntry *e = qdict_first(dict); e; e = qdict_next(dict, e)) {
        if (!g_strv_contains(keys, qdict_entry_key(e))) {
            g_test_message("key %s is not known", qdict_entry_key(e));
            return false;
        }
    }
    return true;
}

static bool knows_event(const QDict *message)
{
    static const char *const keys[] = { "event", "data", "timestamp", NULL };
    const char *name = qdict_get_str(message, "event");
    const char *const *event = find_event(name);

    if (!event) {
        g_test_message("event %s is not known", name);
        return false;
    }
    return has_only(message, keys) && qdict_haskey(message, "timestamp") &&
           (!qdict_haskey(message, "data") ||
            knows_keys(event, qdict_get_qdict(message, "data"), ""));
}

static bool knows_reply(const QDict *message)
{
    static const char *const keys[] = { "return", "error", "id", NULL };
    static const char *const inside[] = { "class", "desc", NULL };

    return has_only(message, keys) &&
           qdict_haskey(message, "return") != qdict_haskey(message, "error") &&
           (!qdict_haskey(message, "error") ||
            has_only(qdict_get_qdict(message, "error"), inside));
}

static bool is_event(const QDict *message)
{
    return qdict_haskey(message, "event");
}

static bool knows(const QDict *message)
{
    return is_event(message) ? knows_event(message) : knows_reply(message);
}

/* --- a client ------------------------------------------------------------- */

/* Written with ' in place of ", as a client writes it otherwise. */
static void send_line(Client *client, const char *line)
{
    g_autofree char *text = g_strdup(line);

    qmp_fd_send_raw(client->fd, "%s\n", g_strdelimit(text, "'", '"'));
}

static void expect_greeting(Client *client)
{
    static const char *const outside[] = { "QMP", NULL };
    static const char *const inside[] = { "version", "capabilities", NULL };
    QDict *greeting = qmp_fd_receive(client->fd);

    g_assert_true(has_only(greeting, outside));
    g_assert_true(has_only(qdict_get_qdict(greeting, "QMP"), inside));
    qobject_unref(greeting);
}

static Client *connect_client(const char *options, const char *more)
{
    g_autofree char *monitor = NULL;
    Client *client = g_new0(Client, 1);
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    g_assert_cmpint(fcntl(ends[0], F_SETFD, FD_CLOEXEC), ==, 0);
    monitor = g_strdup_printf("-chardev socket,id=client,fd=%d"
                              " -mon chardev=client,mode=control %s",
                              ends[1], more);
    client->fd = ends[0];
    client->side = boot_driver(NEW, MEMORY, options, monitor);
    close(ends[1]);
    expect_greeting(client);
    return client;
}

static void disconnect_client(Client *client)
{
    leave(client->side);
    close(client->fd);
    g_free(client);
}

/* The driver plugs, from the first block on, or unplugs what is too much. */
static void guest_follows(Client *client)
{
    QVirtioMEM *mem = &client->side->mem;
    const uint64_t wanted = requested_size(mem) / BLOCK;
    const uint64_t has = plugged_size(mem) / BLOCK;

    if (!client->stopped && wanted != has) {
        g_assert_cmpuint(request(mem, wanted > has ? VIRTIO_MEM_REQ_PLUG :
                                 VIRTIO_MEM_REQ_UNPLUG, MIN(wanted, has),
                                 MAX(wanted, has) - MIN(wanted, has)), ==,
                         VIRTIO_MEM_RESP_ACK);
    }
    clock_step(SECOND);
    settle();
}

/* What the rest of the world does after a command. */
static void world_goes_on(Client *client, const char *line)
{
    if (strstr(line, "'stop'")) {
        client->stopped = true;
    } else if (strstr(line, "'cont'")) {
        client->stopped = false;
    } else if (strstr(line, "'migrate'")) {
        wait_for("query-migrate", "completed");
        client->stopped = true;
    } else if (strstr(line, "'device_del'")) {
        /* Without an operating system, the reset ejects the device. */
        reset_system(&client->side->mem);
        while (plugged_size(&client->side->mem)) {
            g_usleep(1000);
        }
    }
    guest_follows(client);
}

/* The reply, after all that came before it was understood. */
static QDict *reply_to(Client *client, const char *line)
{
    QDict *message;

    send_line(client, line);
    for (;;) {
        message = qmp_fd_receive(client->fd);
        g_assert_true(knows(message));
        if (!is_event(message)) {
            return message;
        }
        if (!strcmp(qdict_get_str(message, "event"), SIZE_CHANGE)) {
            client->size_changes++;
        }
        qobject_unref(message);
    }
}

/* A command, and the class of the error that is right, or NULL. */
typedef struct Step {
    const char *line;
    const char *error;
} Step;

/* Send all of it; what is refused has to be what the step says. */
static void replay(const Step *steps, size_t nb_steps, const char *more)
{
    Client *client = connect_client("", more);

    for (size_t i = 0; i < nb_steps; i++) {
        QDict *reply, *error;

        g_test_message("%s", steps[i].line);
        reply = reply_to(client, steps[i].line);
        error = qdict_get_qdict(reply, "error");
        if (error) {
            g_test_message("%s", qdict_get_str(error, "desc"));
        }
        g_assert_cmpstr(error ? qdict_get_str(error, "class") : NULL, ==,
                        steps[i].error);
        g_assert_cmpint(!!strstr(steps[i].line, "'id':'libvirt-"), ==,
                        qdict_haskey(reply, "id"));
        qobject_unref(reply);
        world_goes_on(client, steps[i].line);
    }
    /* It gets what is still on the way, too. */
    qobject_unref(reply_to(client, "{'execute':'query-status'}"));
    g_assert_cmpuint(client->size_changes, >=, 2);
    disconnect_client(client);
}

/* --- what clients send ---------------------------------------------------- */

#define LIBVIRT(n, command) \
    "{'execute':'" command "','id':'libvirt-" #n "'}"
#define LIBVIRT_ARGS(n, command, arguments) \
    "{'execute':'" command "','arguments':{" arguments "}," \
    "'id':'libvirt-" #n "'}"
#define LIBVIRT_SET(n, device, size) \
    LIBVIRT_ARGS(n, "qom-set", "'path':'/machine/peripheral/" device "'," \
                 "'property':'requested-size','value':" #size)

static const Step libvirt_steps[] = {
    { LIBVIRT(1, "qmp_capabilities") },
    { LIBVIRT(2, "query-version") },
    { LIBVIRT(3, "query-target") },
    { LIBVIRT(4, "query-qmp-schema") },
    { LIBVIRT(5, "query-kvm") },
    { LIBVIRT(6, "query-commands") },
    { LIBVIRT_ARGS(7, "qom-list-types", "'implements':'device'") },
    { LIBVIRT_ARGS(8, "device-list-properties",
                   "'typename':'virtio-mem-pci'") },
    { LIBVIRT_ARGS(9, "qom-list-properties",
                   "'typename':'memory-backend-memfd'") },
    { LIBVIRT(10, "query-migrate-capabilities") },
    { LIBVIRT(11, "query-migrate-parameters") },
    { LIBVIRT_ARGS(12, "migrate-set-capabilities",
                   "'capabilities':[{'capability':'events','state':true}]") },
    { LIBVIRT(13, "query-chardev") },
    { LIBVIRT_ARGS(14, "qom-list", "'path':'/machine/peripheral'") },
    { LIBVIRT(15, "query-hotpluggable-cpus") },
    { LIBVIRT(16, "query-cpus-fast") },
    { LIBVIRT(17, "query-iothreads") },
    { LIBVIRT(18, "query-memory-devices") },
    { LIBVIRT_ARGS(19, "qom-set", "'path':'/machine/peripheral/balloon0',"
                   "'property':'guest-stats-polling-interval','value':5") },
    { LIBVIRT(20, "query-balloon") },
    { LIBVIRT(21, "cont") },
    { LIBVIRT(22, "query-status") },
    /* virsh update-memory-device */
    { LIBVIRT_SET(23, "vm0", 16777216) },
    { LIBVIRT(24, "query-memory-devices") },
    { LIBVIRT_SET(25, "vm0", 4194304) },
    { LIBVIRT_SET(26, "vm0", 3), "GenericError" },
    { LIBVIRT(27, "query-memory-devices") },
    /* virsh attach-device */
    { LIBVIRT_ARGS(28, "object-add", "'qom-type':'memory-backend-ram',"
                   "'id':'memvirtiomem1','reserve':false,'size':1073741824") },
    { LIBVIRT_ARGS(29, "device_add", "'driver':'virtio-mem-pci','node':1,"
                   "'block-size':2097152,'requested-size':33554432,"
                   "'memdev':'memvirtiomem1','prealloc':true,"
                   "'id':'virtiomem1','bus':'pci.0','addr':'0x9'") },
    { LIBVIRT(30, "query-memory-devices") },
    /* virsh dommemstat */
    { LIBVIRT(31, "query-balloon") },
    { LIBVIRT_ARGS(32, "qom-get", "'path':'/machine/peripheral/balloon0',"
                   "'property':'guest-stats'") },
    /* virsh suspend, resume */
    { LIBVIRT(33, "stop") },
    { LIBVIRT_SET(34, "vm0", 8388608) },
    { LIBVIRT(35, "query-memory-devices") },
    { LIBVIRT(36, "cont") },
    /* virsh migrate or save, of which the VM comes back */
    { LIBVIRT_ARGS(37, "migrate-set-capabilities",
                   "'capabilities':[{'capability':'xbzrle','state':false},"
                   "{'capability':'auto-converge','state':false},"
                   "{'capability':'postcopy-ram','state':false},"
                   "{'capability':'pause-before-switchover','state':false}]") },
    { LIBVIRT_ARGS(38, "migrate-set-parameters",
                   "'max-bandwidth':9223372036853727232") },
    { LIBVIRT_ARGS(39, "migrate", "'resume':false,"
                   "'uri':'exec:cat >/dev/null'") },
    { LIBVIRT(40, "query-migrate") },
    { LIBVIRT(41, "cont") },
    /* virsh detach-device */
    { LIBVIRT_ARGS(42, "device_del", "'id':'virtiomem1'"), "GenericError" },
    { LIBVIRT_SET(43, "virtiomem1", 0) },
    { LIBVIRT_ARGS(44, "device_del", "'id':'virtiomem1'") },
    { LIBVIRT_ARGS(45, "qom-list", "'path':'/machine/peripheral'") },
    { LIBVIRT_ARGS(46, "object-del", "'id':'memvirtiomem1'") },
    { LIBVIRT(47, "system_reset") },
    { LIBVIRT(48, "query-memory-devices") },
};

static void libvirt(void)
{
    replay(libvirt_steps, ARRAY_SIZE(libvirt_steps),
           "-device virtio-balloon-pci,id=balloon0");
}

/* Go writes the keys of a map in order. */
static const Step govmm_steps[] = {
    { "{'execute':'qmp_capabilities'}" },
    { "{'execute':'query-qmp-schema'}" },
    { "{'execute':'query-status'}" },
    { "{'execute':'query-hotpluggable-cpus'}" },
    { "{'arguments':{'core-id':0,'driver':'qemu64-x86_64-cpu','id':'cpu-1',"
      "'socket-id':1,'thread-id':0},'execute':'device_add'}" },
    { "{'execute':'query-cpus-fast'}" },
    { "{'execute':'query-memory-devices'}" },
    { "{'arguments':{'id':'virtiomem','qom-type':'memory-backend-ram',"
      "'share':true,'size':1073741824},'execute':'object-add'}" },
    { "{'arguments':{'addr':'9','bus':'pci.0','driver':'virtio-mem-pci',"
      "'id':'virtiomem0','memdev':'virtiomem'},'execute':'device_add'}" },
    { "{'arguments':{'path':'virtiomem0','property':'requested-size',"
      "'value':134217728},'execute':'qom-set'}" },
    { "{'arguments':{'path':'vm0','property':'requested-size',"
      "'value':134217728},'execute':'qom-set'}" },
    { "{'arguments':{'path':'vm0','property':'size'},'execute':'qom-get'}" },
    { "{'execute':'query-memory-devices'}" },
    { "{'arguments':{'path':'vm0','property':'requested-size',"
      "'value':2097152},'execute':'qom-set'}" },
    { "{'execute':'stop'}" },
    { "{'arguments':{'capabilities':[{'capability':'x-ignore-shared',"
      "'state':true}]},'execute':'migrate-set-capabilities'}" },
    { "{'arguments':{'uri':'exec:cat >/dev/null'},'execute':'migrate'}" },
    { "{'execute':'query-migrate'}" },
    { "{'execute':'cont'}" },
    { "{'arguments':{'path':'virtiomem0','property':'requested-size',"
      "'value':0},'execute':'qom-set'}" },
    { "{'arguments':{'id':'virtiomem0'},'execute':'device_del'}" },
    { "{'arguments':{'id':'virtiomem'},'execute':'object-del'}" },
    { "{'execute':'query-cpus'}", "CommandNotFound" },
};

static void govmm(void)
{
    replay(govmm_steps, ARRAY_SIZE(govmm_steps),
           "-smp 1,sockets=2,maxcpus=2");
}

static const Step neonvm_steps[] = {
    { "{'execute': 'qmp_capabilities'}" },
    { "{'execute': 'query-hotpluggable-cpus'}" },
    { "{'execute': 'device_add', 'arguments': {'id': 'cpu1',"
      " 'driver': 'qemu64-x86_64-cpu', 'core-id': 1, 'socket-id': 0,"
      " 'thread-id': 0}}" },
    { "{'execute': 'query-memory-size-summary'}" },
    { "{'execute': 'query-memory-devices'}" },
    { "{'execute': 'qom-list', 'arguments': {'path': '/objects'}}" },
    { "{'execute': 'qom-get', 'arguments': {'path': 'vm0',"
      " 'property': 'requested-size'}}" },
    { "{'execute': 'qom-set', 'arguments': {'path': 'vm0',"
      " 'property': 'requested-size', 'value': 1073741824}}" },
    { "{'execute': 'query-memory-size-summary'}" },
    { "{'execute': 'qom-get', 'arguments': {'path': 'vm0',"
      " 'property': 'requested-size'}}" },
    { "{'execute': 'qom-set', 'arguments': {'path': 'vm0',"
      " 'property': 'requested-size', 'value': 0}}" },
    { "{'execute': 'query-memory-size-summary'}" },
    { "{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities': ["
      " {'capability': 'postcopy-ram',  'state': false},"
      " {'capability': 'xbzrle',        'state': true},"
      " {'capability': 'compress',      'state': true},"
      " {'capability': 'auto-converge', 'state': true},"
      " {'capability': 'zero-blocks',   'state': true}]}}", "GenericError" },
    { "{'execute': 'migrate-set-capabilities', 'arguments': {'capabilities': ["
      " {'capability': 'postcopy-ram',  'state': false},"
      " {'capability': 'xbzrle',        'state': true},"
      " {'capability': 'auto-converge', 'state': true}]}}" },
    { "{'execute': 'migrate-set-parameters', 'arguments': {"
      " 'xbzrle-cache-size': 268435456, 'max-bandwidth': 1073741824}}" },
    { "{'execute': 'migrate', 'arguments': {'uri': 'exec:cat >/dev/null'}}" },
    { "{'execute': 'query-migrate'}" },
    { "{'execute': 'migrate_cancel'}" },
    { "{'execute': 'cont'}" },
};

static void neonvm(void)
{
    replay(neonvm_steps, ARRAY_SIZE(neonvm_steps),
           "-smp 1,cores=2,maxcpus=2");
}

/* --- a client that cannot bear what it does not know ---------------------- */

/*
 * The reply, or NULL where something came before it that is not understood.
 * Such a client returns then, and takes the reply for that of its next command.
 */
static QDict *strict_reply_to(Client *client, const char *line)
{
    QDict *message;

    send_line(client, line);
    for (;;) {
        message = qmp_fd_receive(client->fd);
        if (!knows(message)) {
            qobject_unref(message);
            return NULL;
        }
        if (!is_event(message)) {
            return message;
        }
        qobject_unref(message);
    }
}

#define STRICT_SET(size) \
    "{'execute':'qom-set','arguments':{'path':'/machine/peripheral/vm0'," \
    "'property':'requested-size','value':" #size "}}"
#define STRICT_GET(property) \
    "{'execute':'qom-get','arguments':{'path':'/machine/peripheral/vm0'," \
    "'property':'" property "'}}"

static void strict_does(Client *client, const char *line)
{
    QDict *reply = strict_reply_to(client, line);

    g_assert_nonnull(reply);
    g_assert_nonnull(qdict_get_qdict(reply, "return"));
    qobject_unref(reply);
    guest_follows(client);
}

static void strict_reads(Client *client, const char *property, int64_t value)
{
    g_autofree char *line = g_strdup_printf(STRICT_GET("%s"), property);
    QDict *reply = strict_reply_to(client, line);

    g_assert_nonnull(reply);
    g_assert_cmpint(qdict_get_int(reply, "return"), ==, value);
    qobject_unref(reply);
}

static void strict_client(void)
{
    Client *client = connect_client("", "");

    strict_does(client, "{'execute':'qmp_capabilities'}");
    for (unsigned i = 0; i < 3; i++) {
        strict_does(client, STRICT_SET(67108864));
        strict_reads(client, "requested-size", 67108864);
        strict_reads(client, "size", 67108864);
        strict_does(client, STRICT_SET(2097152));
        strict_reads(client, "requested-size", 2097152);
        strict_reads(client, "size", 2097152);
    }
    disconnect_client(client);
}

/* Why the event has to be asked for, and that these tests would see it. */
static void strict_client_falls_behind_with_events(void)
{
    Client *client = connect_client(",resize-events=on", "");
    QDict *reply;

    strict_does(client, "{'execute':'qmp_capabilities'}");
    g_assert_null(strict_reply_to(client, STRICT_SET(67108864)));
    /* This is the reply to what failed ... */
    reply = strict_reply_to(client, STRICT_GET("block-size"));
    g_assert_nonnull(reply);
    g_assert_nonnull(qdict_get_qdict(reply, "return"));
    qobject_unref(reply);
    /* ... and so it goes on. */
    strict_reads(client, "requested-size", BLOCK);
    strict_reads(client, "size", 67108864);
    disconnect_client(client);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("virtio-mem/clients/libvirt", libvirt);
    qtest_add_func("virtio-mem/clients/govmm", govmm);
    qtest_add_func("virtio-mem/clients/neonvm", neonvm);
    qtest_add_func("virtio-mem/clients/strict", strict_client);
    qtest_add_func("virtio-mem/clients/strict-falls-behind-with-events",
                   strict_client_falls_behind_with_events);
    return g_test_run();
}
