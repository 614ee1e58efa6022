/*
 * virtio-mem, blocks: the module beside a naive model of it, an array of bools
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "blocks-model.h"

Pair *pair_new(uint64_t count)
{
    Pair *p = g_new0(Pair, 1);

    virtio_mem_blocks_init(&p->blocks, count);
    p->model = g_new0(bool, count);
    return p;
}

void pair_free(Pair *p)
{
    virtio_mem_blocks_cleanup(&p->blocks);
    g_free(p->model);
    g_free(p);
}

static bool bit(const VirtIOMEMBlocks *blocks, uint64_t i)
{
    return blocks->bitmap[i / WORD] >> (i % WORD) & 1;
}

void check(const Pair *p)
{
    const uint64_t count = p->blocks.count;
    uint64_t plugged = 0;

    for (uint64_t i = 0; i < count; i++) {
        g_assert_cmpint(bit(&p->blocks, i), ==, p->model[i]);
        plugged += p->model[i];
    }
    for (uint64_t i = count; i % WORD; i++) {
        g_assert_false(bit(&p->blocks, i));
    }
    g_assert_cmpuint(p->blocks.plugged, ==, plugged);
}

void set(Pair *p, uint64_t first, uint64_t count, bool plugged)
{
    virtio_mem_blocks_set(&p->blocks, (VirtIOMEMRange) { first, count },
                          plugged);
    for (uint64_t i = 0; i < count; i++) {
        p->model[first + i] = plugged;
    }
}

VirtIOMEMBlockState state(const Pair *p, uint64_t first, uint64_t count)
{
    return virtio_mem_blocks_state(&p->blocks,
                                   (VirtIOMEMRange) { first, count });
}

VirtIOMEMBlockState model_state(const Pair *p, uint64_t first, uint64_t count)
{
    uint64_t plugged = 0;

    for (uint64_t i = 0; i < count; i++) {
        plugged += p->model[first + i];
    }
    return !plugged ? VIRTIO_MEM_BLOCKS_UNPLUGGED
           : plugged == count ? VIRTIO_MEM_BLOCKS_PLUGGED
           : VIRTIO_MEM_BLOCKS_MIXED;
}

static void append_run(GString *text, uint64_t first, uint64_t count)
{
    g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT,
                           text->len ? " " : "", first, count);
}

char *runs(const Pair *p, uint64_t first, uint64_t count, bool plugged)
{
    const VirtIOMEMRange within = { first, count };
    GString *text = g_string_new(NULL);

    VIRTIO_MEM_FOREACH_RUN(run, &p->blocks, within, plugged) {
        append_run(text, run.first, run.count);
    }
    return g_string_free(text, FALSE);
}

char *populated(const Pair *p, uint64_t first, uint64_t count, bool yes)
{
    const VirtIOMEMRange within = { first, count };
    GString *text = g_string_new(NULL);

    VIRTIO_MEM_FOREACH_POPULATED(run, &p->blocks, within, yes) {
        append_run(text, run.first, run.count);
    }
    return g_string_free(text, FALSE);
}

/* The runs of those for which @is says @wanted. */
static char *naive_runs(const Pair *p, uint64_t first, uint64_t count,
                        bool (*is)(const Pair *p, uint64_t block), bool wanted)
{
    GString *text = g_string_new(NULL);
    uint64_t length = 0;

    for (uint64_t i = first; i < first + count; i++) {
        length = is(p, i) == wanted ? length + 1 : 0;
        if (length && (i + 1 == first + count || is(p, i + 1) != wanted)) {
            append_run(text, i + 1 - length, length);
        }
    }
    return g_string_free(text, FALSE);
}

static bool is_plugged(const Pair *p, uint64_t block)
{
    return p->model[block];
}

static bool is_populated(const Pair *p, uint64_t block)
{
    const VirtIOMEMRange pending = p->blocks.pending_range;

    return p->model[block] && (block < pending.first ||
                               block >= pending.first + pending.count);
}

char *model_runs(const Pair *p, uint64_t first, uint64_t count, bool plugged)
{
    return naive_runs(p, first, count, is_plugged, plugged);
}

char *model_populated(const Pair *p, uint64_t first, uint64_t count, bool yes)
{
    return naive_runs(p, first, count, is_populated, yes);
}
