/*
 * virtio-mem, fence: what is behind it is registered, while it is closed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem/fence.h"
#include "unit.h"

#define BLOCKS 200
#define BLOCK (2 * MiB)

static const VirtIOMEMGeometry geo = {
    .region_size = BLOCKS * BLOCK,
    .block_size = BLOCK,
};

/* --- a kernel ------------------------------------------------------------- */

static struct {
    bool registered[BLOCKS];
    unsigned calls;             /* to register */
    int error;                  /* of the next one */
} kernel;

static void set(VirtIOMEMSpan span, bool value)
{
    g_assert_cmpuint(span.offset % BLOCK, ==, 0);
    g_assert_cmpuint(span.size % BLOCK, ==, 0);
    for (uint64_t at = 0; at < span.size; at += BLOCK) {
        kernel.registered[(span.offset + at) / BLOCK] = value;
    }
}

int virtio_mem_userfault_register(const VirtIOMEMUserfault *userfault,
                                  VirtIOMEMSpan span)
{
    const int error = kernel.error;

    kernel.calls++;
    kernel.error = 0;
    if (!error) {
        set(span, true);
    }
    return error;
}

int virtio_mem_userfault_unregister(const VirtIOMEMUserfault *userfault,
                                    VirtIOMEMSpan span)
{
    const int error = kernel.error;

    kernel.error = 0;
    if (!error) {
        set(span, false);
    }
    return error;
}

/* --- a fence -------------------------------------------------------------- */

static void start(VirtIOMEMFence *fence, VirtIOMEMGuardBudget *budget)
{
    memset(&kernel, 0, sizeof(kernel));
    virtio_mem_fence_init(fence, &geo, NULL, budget);
}

/* Closed: what is behind it is registered, and nothing else. Open: nothing. */
static void check(const VirtIOMEMFence *fence, bool open)
{
    for (uint64_t block = 0; block < BLOCKS; block++) {
        g_assert_true(kernel.registered[block] ==
                      (!open && virtio_mem_fence_has(fence, block)));
    }
}

static void stripes(VirtIOMEMFence *fence, unsigned nb)
{
    for (unsigned i = 0; i < nb; i++) {
        g_assert_cmpint(virtio_mem_fence_put(fence,
                                             (VirtIOMEMRange) { 2 * i, 1 }),
                        ==, 0);
    }
}

static void test_opens(void)
{
    VirtIOMEMGuardBudget budget = { .most = BLOCKS };
    VirtIOMEMFence fence;
    bool is_short = false;

    start(&fence, &budget);
    g_assert_false(virtio_mem_fence_open(&fence));  /* nothing is behind it */
    stripes(&fence, 10);
    check(&fence, false);
    g_assert_true(virtio_mem_fence_open(&fence));
    check(&fence, true);
    g_assert_false(virtio_mem_fence_open(&fence));
    kernel.calls = 0;
    for (unsigned i = 0; i < 3; i++) {
        g_assert_false(virtio_mem_fence_close(&fence, 3, &is_short));
        g_assert_cmpuint(kernel.calls, ==, 3 * (i + 1));
    }
    g_assert_true(virtio_mem_fence_close(&fence, 3, &is_short));
    g_assert_cmpuint(kernel.calls, ==, 10);
    g_assert_false(is_short);
    check(&fence, false);
    virtio_mem_fence_cleanup(&fence);
    g_assert_cmpuint(budget.runs, ==, 0);
}

/* Ten runs are behind it, it was opened, and four runs are closed again. */
static void start_closing(VirtIOMEMFence *fence, VirtIOMEMGuardBudget *budget)
{
    bool is_short = false;

    start(fence, budget);
    stripes(fence, 10);
    g_assert_true(virtio_mem_fence_open(fence));
    g_assert_false(virtio_mem_fence_close(fence, 4, &is_short));
    g_assert_false(is_short);
}

static void test_opens_while_it_closes(void)
{
    VirtIOMEMGuardBudget budget = { .most = BLOCKS };
    VirtIOMEMFence fence;
    bool is_short = false;

    start_closing(&fence, &budget);
    g_assert_true(virtio_mem_fence_open(&fence));
    check(&fence, true);
    g_assert_true(virtio_mem_fence_close(&fence, 11, &is_short));
    check(&fence, false);
    virtio_mem_fence_cleanup(&fence);
}

/* What the kernel refuses when it closes is outside from then on. */
static void test_cannot_close(void)
{
    VirtIOMEMGuardBudget budget = { .most = BLOCKS };
    VirtIOMEMFence fence;
    bool is_short = false;

    start_closing(&fence, &budget);
    kernel.error = -ENOMEM;
    g_assert_true(virtio_mem_fence_close(&fence, 10, &is_short));
    g_assert_true(is_short);
    check(&fence, false);
    g_assert_false(virtio_mem_fence_has(&fence, 8));
    g_assert_true(virtio_mem_fence_has(&fence, 10));
    g_assert_cmpuint(budget.runs, ==, 9);
    virtio_mem_fence_cleanup(&fence);
}

static void test_kernel_refuses(void)
{
    VirtIOMEMGuardBudget budget = { .most = BLOCKS };
    VirtIOMEMFence fence;
    bool more;

    start(&fence, &budget);
    kernel.error = -ENOMEM;
    g_assert_cmpint(virtio_mem_fence_put(&fence, (VirtIOMEMRange) { 5, 5 }), ==,
                    -ENOMEM);
    check(&fence, false);
    g_assert_cmpuint(budget.runs, ==, 0);
    g_assert_cmpint(virtio_mem_fence_put(&fence, (VirtIOMEMRange) { 5, 5 }), ==,
                    0);
    kernel.error = -ENOMEM;
    g_assert_cmpint(virtio_mem_fence_take(&fence, (VirtIOMEMRange) { 6, 2 },
                                          &more), ==, -ENOMEM);
    check(&fence, false);
    g_assert_true(virtio_mem_fence_has(&fence, 6));
    kernel.error = -ENOMEM;
    g_assert_false(virtio_mem_fence_open(&fence));
    check(&fence, false);
    virtio_mem_fence_cleanup(&fence);
}

static void deed(VirtIOMEMFence *fence, bool *open)
{
    const uint64_t first = g_test_rand_int_range(0, BLOCKS);
    const VirtIOMEMRange range = {
        .first = first,
        .count = g_test_rand_int_range(1, BLOCKS - first + 1),
    };
    bool more, is_short = false;

    switch (g_test_rand_int_range(0, 6)) {
    case 0:
    case 1:
        virtio_mem_fence_put(fence, range);
        break;
    case 2:
    case 3:
        g_assert_cmpint(virtio_mem_fence_take(fence, range, &more), ==, 0);
        for (uint64_t i = 0; i < range.count; i++) {
            g_assert_false(virtio_mem_fence_has(fence, range.first + i));
            g_assert_false(kernel.registered[range.first + i]);
        }
        break;
    case 4:
        *open |= virtio_mem_fence_open(fence);
        break;
    default:
        if (*open) {
            *open = !virtio_mem_fence_close(fence, 2, &is_short);
        }
    }
}

/* Whatever is done while it is open or closes, it is right when it is closed. */
static void test_random(gconstpointer opaque)
{
    VirtIOMEMGuardBudget budget = { .most = *(const uint64_t *)opaque };
    VirtIOMEMFence fence;
    bool open = false, is_short = false;

    start(&fence, &budget);
    for (int i = 0; i < 20000; i++) {
        deed(&fence, &open);
        g_assert_cmpuint(budget.runs, <=, budget.most);
        if (!open) {
            check(&fence, false);
        }
    }
    while (!virtio_mem_fence_close(&fence, 7, &is_short)) {
    }
    check(&fence, false);
    virtio_mem_fence_cleanup(&fence);
}

int main(int argc, char **argv)
{
    static const uint64_t budgets[] = { 1, 7, BLOCKS };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mem/fence/opens", test_opens);
    g_test_add_func("/virtio-mem/fence/opens-while-it-closes",
                    test_opens_while_it_closes);
    g_test_add_func("/virtio-mem/fence/cannot-close", test_cannot_close);
    g_test_add_func("/virtio-mem/fence/kernel-refuses", test_kernel_refuses);
    for (size_t i = 0; i < G_N_ELEMENTS(budgets); i++) {
        g_autofree char *path = g_strdup_printf(
            "/virtio-mem/fence/random/budget-%" PRIu64, budgets[i]);

        g_test_add_data_func(path, &budgets[i], test_random);
    }
    return g_test_run();
}
