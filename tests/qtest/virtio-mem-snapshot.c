/*
 * virtio-mem: many requests at one kick, and the whole state of a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "virtio-mem-snapshot.h"

/* Where a request of a batch has its parts. */
#define SLOT 128
#define RESPONSE 32
#define TABLE 64

static struct vring_desc descriptor(uint64_t addr, uint32_t len, uint16_t flags,
                                    uint16_t next)
{
    return (struct vring_desc) {
        .addr = cpu_to_le64(addr),
        .len = cpu_to_le32(len),
        .flags = cpu_to_le16(flags),
        .next = cpu_to_le16(next),
    };
}

/*
 * Both descriptors of the request at @slot; the response has number @second.
 * libqos expects each descriptor of a ring to name the one behind it.
 */
static void describe(struct vring_desc pair[2], uint64_t slot, uint16_t second)
{
    pair[0] = descriptor(slot, sizeof(struct virtio_mem_req),
                         VRING_DESC_F_NEXT, second);
    pair[1] = descriptor(slot + RESPONSE, sizeof(struct virtio_mem_resp),
                         VRING_DESC_F_WRITE, second + 1);
}

static void write_buffers(uint64_t buffers, const Request *requests,
                          unsigned nb)
{
    g_autofree uint8_t *data = g_malloc(nb * SLOT);

    memset(data, 0xff, nb * SLOT);
    for (unsigned i = 0; i < nb; i++) {
        const uint64_t slot = buffers + i * SLOT;
        struct virtio_mem_req *req = (void *)(data + i * SLOT);

        req->type = cpu_to_le16(requests[i].type);
        req->u.plug.addr = cpu_to_le64(requests[i].addr);
        req->u.plug.nb_blocks = cpu_to_le16(requests[i].nb_blocks);
        describe((void *)(data + i * SLOT + TABLE), slot, 1);
    }
    qtest_memwrite(global_qtest, buffers, data, nb * SLOT);
}

/*
 * Access @nb entries of @size bytes of a ring, from @index on. One by one it
 * would take most of the time of a test.
 */
static void ring_access(const QVirtQueue *vq, uint64_t ring, uint16_t index,
                        void *entries, unsigned nb, size_t size, bool write)
{
    const unsigned first = index % vq->size;
    const unsigned before_end = MIN(nb, vq->size - first);
    uint8_t *rest = (uint8_t *)entries + before_end * size;

    if (write) {
        qtest_memwrite(global_qtest, ring + first * size, entries,
                       before_end * size);
        qtest_memwrite(global_qtest, ring, rest, (nb - before_end) * size);
    } else {
        qtest_memread(global_qtest, ring + first * size, entries,
                      before_end * size);
        qtest_memread(global_qtest, ring, rest, (nb - before_end) * size);
    }
}

unsigned batch_max(QVirtioMEM *mem)
{
    return mem->vq->indirect ? mem->vq->size : mem->vq->size / 2;
}

uint64_t batch_send(QVirtioMEM *mem, const Request *requests, unsigned nb)
{
    const QVirtQueue *vq = mem->vq;
    const uint64_t buffers = guest_alloc(mem->alloc, nb * SLOT);
    const unsigned each = vq->indirect ? 1 : 2;
    g_autofree struct vring_desc *table = g_new(struct vring_desc, nb * each);
    g_autofree uint16_t *heads = g_new(uint16_t, nb);
    const uint16_t index = readw(vq->avail + 2);

    g_assert_cmpuint(nb, <=, batch_max(mem));
    write_buffers(buffers, requests, nb);
    for (unsigned i = 0; i < nb; i++) {
        const uint64_t slot = buffers + i * SLOT;

        if (vq->indirect) {
            table[i] = descriptor(slot + TABLE, 2 * sizeof(*table),
                                  VRING_DESC_F_INDIRECT, i + 1);
        } else {
            describe(&table[2 * i], slot, 2 * i + 1);
        }
        heads[i] = cpu_to_le16(i * each);
    }
    ring_access(vq, vq->avail + 4, index, heads, nb, sizeof(*heads), true);
    qtest_memwrite(global_qtest, vq->desc, table, nb * each * sizeof(*table));
    writew(vq->avail + 2, index + nb);
    mem->vdev->bus->virtqueue_kick(mem->vdev, mem->vq);
    return buffers;
}

void batch_wait(QVirtioMEM *mem, uint64_t buffers, Answer *answers, unsigned nb)
{
    QVirtQueue *vq = mem->vq;
    const unsigned each = vq->indirect ? 1 : 2;
    const uint16_t end = vq->last_used_idx + nb;
    const int64_t start = g_get_monotonic_time();
    g_autofree uint8_t *data = g_malloc(nb * SLOT);
    g_autofree struct vring_used_elem *used = g_new(struct vring_used_elem, nb);

    while (readw(vq->used + 2) != end) {
        g_assert_false(needs_reset(mem));
        g_assert_cmpint(g_get_monotonic_time() - start, <=, TIMEOUT_US);
    }
    qtest_memread(global_qtest, buffers, data, nb * SLOT);
    ring_access(vq, vq->used + 4, vq->last_used_idx, used, nb, sizeof(*used),
                false);
    vq->last_used_idx = end;
    for (unsigned i = 0; i < nb; i++) {
        const struct virtio_mem_resp *resp = (void *)(data + i * SLOT +
                                                      RESPONSE);

        g_assert_cmpuint(le32_to_cpu(used[i].id), ==, i * each);
        g_assert_cmpuint(le32_to_cpu(used[i].len), ==, sizeof(*resp));
        answers[i].type = le16_to_cpu(resp->type);
        answers[i].state = le16_to_cpu(resp->u.state.state);
    }
    guest_free(mem->alloc, buffers);
    qvirtqueue_reset_pool(vq);
}

void batch(QVirtioMEM *mem, const Request *requests, Answer *answers,
           unsigned nb)
{
    batch_wait(mem, batch_send(mem, requests, nb), answers, nb);
}

uint16_t quiet_request(QVirtioMEM *mem, uint16_t type, uint64_t addr,
                       uint16_t nb_blocks)
{
    const Request request = { type, addr, nb_blocks };
    Answer answer;

    batch(mem, &request, &answer, 1);
    return answer.type;
}

Snapshot *snapshot(QVirtioMEM *mem)
{
    Snapshot *shot = g_new0(Snapshot, 1);
    const uint64_t addr = block_addr(mem, 0);
    const unsigned max = batch_max(mem);
    g_autofree Request *requests = g_new0(Request, max);
    g_autofree Answer *answers = g_new0(Answer, max);
    unsigned block = 0;

    shot->usable_size = usable_size(mem);
    shot->plugged_size = plugged_size(mem);
    shot->requested_size = requested_size(mem);
    memset(shot->state, 0xff, sizeof(shot->state));
    while (block < shot->usable_size / BLOCK) {
        const unsigned nb = MIN(max, shot->usable_size / BLOCK - block);

        for (unsigned i = 0; i < nb; i++) {
            requests[i] = (Request) {
                VIRTIO_MEM_REQ_STATE, addr + (block + i) * BLOCK, 1
            };
        }
        batch(mem, requests, answers, nb);
        for (unsigned i = 0; i < nb; i++) {
            g_assert_cmpuint(answers[i].type, ==, VIRTIO_MEM_RESP_ACK);
            shot->state[block++] = answers[i].state;
        }
    }
    return shot;
}

void assert_unchanged(QVirtioMEM *mem, Snapshot *before)
{
    g_autofree Snapshot *shot = snapshot(mem);

    g_assert_cmpuint(shot->usable_size, ==, before->usable_size);
    g_assert_cmpuint(shot->plugged_size, ==, before->plugged_size);
    g_assert_cmpuint(shot->requested_size, ==, before->requested_size);
    for (unsigned i = 0; i < ARRAY_SIZE(shot->state); i++) {
        if (shot->state[i] != before->state[i]) {
            g_test_message("block %u: state was %u and is %u", i,
                           before->state[i], shot->state[i]);
        }
    }
    g_assert_cmpmem(shot->state, sizeof(shot->state), before->state,
                    sizeof(before->state));
    g_free(before);
}

void assert_recovers(QVirtioMEM *mem)
{
    const uint64_t block = REGION / BLOCK - 1;

    restart_as_usual(mem);
    resize(REGION);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, block, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(state_of(mem, block, 1), ==, VIRTIO_MEM_STATE_PLUGGED);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, block, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
}

uint64_t memory_of_file(int fd)
{
    struct stat file;

    g_assert_cmpint(fstat(fd, &file), ==, 0);
    return file.st_blocks * 512;
}

QDict *queried_device(void)
{
    QDict *rsp = qtest_qmp(global_qtest,
                           "{ 'execute': 'query-memory-devices' }");
    QDict *info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));

    info = qobject_ref(qdict_get_qdict(info, "data"));
    qobject_unref(rsp);
    return info;
}

uint64_t queried_size(void)
{
    QDict *info = queried_device();
    uint64_t size;

    g_assert_cmpstr(qdict_get_str(info, "id"), ==, QVIRTIO_MEM_ID);
    g_assert_cmpuint(qdict_get_int(info, "max-size"), ==, REGION);
    g_assert_cmpuint(qdict_get_int(info, "block-size"), ==, BLOCK);
    g_assert_cmpuint(qdict_get_int(info, "node"), ==, QVIRTIO_MEM_NODE);
    g_assert_cmpstr(qdict_get_str(info, "memdev"), ==, "/objects/mem0");
    size = qdict_get_int(info, "size");
    qobject_unref(info);
    return size;
}

void await_unplugged(void)
{
    const gint64 until = g_get_monotonic_time() + TIMEOUT_US;

    while (queried_size()) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        g_usleep(1000);
    }
}

unsigned count_size_events(uint64_t *last)
{
    unsigned count = 0;
    QDict *event;

    /* Events are a second apart at least, and qtest's clock stands still. */
    clock_step(2 * 1000 * 1000 * 1000LL);
    settle();
    while ((event = qtest_qmp_event_ref(global_qtest,
                                        "MEMORY_DEVICE_SIZE_CHANGE"))) {
        const QDict *what = qdict_get_qdict(event, "data");

        g_assert_cmpstr(qdict_get_str(what, "id"), ==, QVIRTIO_MEM_ID);
        g_assert_cmpstr(qdict_get_str(what, "qom-path"), ==,
                        "/machine/peripheral/" QVIRTIO_MEM_ID);
        if (last) {
            *last = qdict_get_int(what, "size");
        }
        qobject_unref(event);
        count++;
    }
    return count;
}

uint64_t number_from_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t number = otherwise;

    if (text && qemu_strtou64(text, NULL, 0, &number)) {
        g_error("%s has to be a number, not '%s'", name, text);
    }
    return number;
}
