/*
 * virtio-mem: where things are in a stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "virtio-mem-stream.h"

#define EARLY PLACE "virtio-mem-device-early"

static gsize find(const Stream *s, const uint64_t *values, unsigned nb)
{
    g_autofree uint64_t *wanted = g_new(uint64_t, nb);
    const char *found;

    for (unsigned i = 0; i < nb; i++) {
        wanted[i] = cpu_to_be64(values[i]);
    }
    found = memmem(s->data, s->size, wanted, nb * sizeof(uint64_t));
    g_assert_nonnull(found);
    return found - s->data;
}

Side *sender(const char *machine)
{
    Side *side = source(machine);

    resize(256 * MiB);
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_PLUG, 0, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(&side->mem, VIRTIO_MEM_REQ_PLUG, 2, 64), ==,
                     VIRTIO_MEM_RESP_ACK);
    return side;
}

void dissect(Stream *s, Side *side, const char *machine)
{
    const uint64_t identity[] = { block_addr(&side->mem, 0), REGION, BLOCK };
    const uint64_t sizes_early[] = { 512 * MiB, 256 * MiB };
    const uint64_t sizes_late[] = { 512 * MiB, 65 * BLOCK, 256 * MiB };
    const bool late = !strcmp(machine, OLD);

    s->identity = find(s, identity, 3);
    s->sizes = late ? find(s, sizes_late, 3) + 16 : find(s, sizes_early, 2) + 8;
    if (!late) {
        const char *name = memmem(s->data, s->size, EARLY, strlen(EARLY));

        g_assert_nonnull(name);
        s->early = name - s->data - 1 - 5;   /* length; type and section id */
    }
}

Stream *stream(const char *machine)
{
    Stream *s = g_new0(Stream, 1);
    Side *side = sender(machine);

    s->path = temporary_file();
    save(side, s->path);
    g_assert_true(g_file_get_contents(s->path, &s->data, &s->size, NULL));
    dissect(s, side, machine);
    leave(side);
    return s;
}

void stream_free(Stream *s)
{
    unlink(s->path);
    g_free(s->path);
    g_free(s->data);
    g_free(s);
}

gsize offset_of(const Stream *s, Field field)
{
    const gsize identity_end = s->identity + 28;
    const gsize bitmap = s->early ? identity_end + 8 : s->sizes + 8;

    switch (field) {
    case ADDR:
        return s->identity;
    case REGION_SIZE:
        return s->identity + 8;
    case BLOCK_SIZE:
        return s->identity + 16;
    case NODE:
        return s->identity + 20;    /* low half of an u64 is the node */
    case PLUGGED:
        return s->early ? identity_end : s->sizes - 8;
    case BITMAP:
        return bitmap;
    case BITMAP_END:
        return bitmap + REGION / BLOCK / 8 - 8;
    case USABLE:
        return s->early ? s->sizes - 8 : s->sizes - 16;
    case REQUESTED:
        return s->sizes;
    }
    g_assert_not_reached();
}
