/*
 * virtio-mem: news, as often as a user can bear them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "system/qtest.h"
#include "virtio-mem-news.h"

/* The clock by which QEMU limits its events. */
static QEMUClockType news_clock(void)
{
    return qtest_enabled() ? QEMU_CLOCK_VIRTUAL : QEMU_CLOCK_REALTIME;
}

static void tell_now(VirtIOMEMNews *news)
{
    news->due = false;
    timer_mod(news->timer,
              qemu_clock_get_ms(news_clock()) + news->interval);
    news->tell(news->opaque);
}

static void interval_is_over(void *opaque)
{
    VirtIOMEMNews *news = opaque;

    if (news->due) {
        tell_now(news);
    }
}

void virtio_mem_news_changed(VirtIOMEMNews *news)
{
    if (timer_pending(news->timer)) {
        news->due = true;
    } else {
        tell_now(news);
    }
}

void virtio_mem_news_init(VirtIOMEMNews *news, unsigned interval,
                          void (*tell)(void *opaque), void *opaque)
{
    *news = (VirtIOMEMNews) {
        .tell = tell,
        .opaque = opaque,
        .interval = interval,
        .timer = timer_new_ms(news_clock(), interval_is_over, news),
    };
}

void virtio_mem_news_cleanup(VirtIOMEMNews *news)
{
    interval_is_over(news);
    timer_free(news->timer);
}
