/*
 * virtio-mem, blocks: any sequence of operations, beside an array of bools
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "blocks-model.h"
#include "bytes.h"

#define MAX_BLOCKS 700

static void compare_runs(const Pair *p, VirtIOMEMRange within, bool plugged)
{
    g_autofree char *seen = runs(p, within.first, within.count, plugged);
    g_autofree char *wanted = model_runs(p, within.first, within.count,
                                         plugged);

    g_assert_cmpstr(seen, ==, wanted);
}

static void compare_populated(const Pair *p, VirtIOMEMRange within, bool yes)
{
    g_autofree char *seen = populated(p, within.first, within.count, yes);
    g_autofree char *wanted = model_populated(p, within.first, within.count,
                                              yes);

    g_assert_cmpstr(seen, ==, wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Bytes bytes = { data, size };
    const uint64_t count = take_range(&bytes, 1, MAX_BLOCKS);
    g_autoptr(Pair) p = pair_new(count);

    while (bytes.left) {
        const uint8_t op = take(&bytes, 1);
        const uint64_t first = take_range(&bytes, 0, count - 1);
        const VirtIOMEMRange range = {
            .first = first,
            .count = take_range(&bytes, 0, count - first),
        };
        const bool plugged = op & 1;

        switch (op >> 1 & 7) {
        case 0:
        case 1:
        case 4:
            set(p, range.first, range.count, plugged);
            check(p);
            break;
        case 2:
            compare_runs(p, range, plugged);
            break;
        case 3:
            if (range.count) {
                g_assert_cmpint(state(p, range.first, range.count), ==,
                                model_state(p, range.first, range.count));
            }
            break;
        case 5:
            virtio_mem_blocks_begin(&p->blocks, VIRTIO_MEM_PENDING_GOING,
                                    range);
            break;
        case 6:
            virtio_mem_blocks_end(&p->blocks);
            break;
        case 7:
            compare_populated(p, range, plugged);
            break;
        }
    }
    check(p);
    return 0;
}
