/*
 * virtio-mem: news of the plugged size
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "system/qtest.h"
#include "virtio-mem-news.h"

#define VIRTIO_MEM_NEWS_MS 1000

/* The clock by which QEMU limits its events. */
static QEMUClockType news_clock(void)
{
    return qtest_enabled() ? QEMU_CLOCK_VIRTUAL : QEMU_CLOCK_REALTIME;
}

static void tell(VirtIOMEMNews *news)
{
    news->due = false;
    timer_mod(news->timer,
              qemu_clock_get_ms(news_clock()) + VIRTIO_MEM_NEWS_MS);
    virtio_mem_transport_size_changed(news->vmem);
}

static void second_is_over(void *opaque)
{
    VirtIOMEMNews *news = opaque;

    if (news->due) {
        tell(news);
    }
}

void virtio_mem_news_size_changed(VirtIOMEMNews *news)
{
    if (timer_pending(news->timer)) {
        news->due = true;
    } else {
        tell(news);
    }
}

void virtio_mem_news_init(VirtIOMEMNews *news, const VirtIOMEM *vmem)
{
    *news = (VirtIOMEMNews) {
        .vmem = vmem,
        .timer = timer_new_ms(news_clock(), second_is_over, news),
    };
}

void virtio_mem_news_cleanup(VirtIOMEMNews *news)
{
    second_is_over(news);
    timer_free(news->timer);
}
