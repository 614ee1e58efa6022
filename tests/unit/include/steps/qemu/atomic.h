/*
 * Stand-in for QEMU's qemu/atomic.h, for steps.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_ATOMIC_H
#define QEMU_ATOMIC_H

#define qatomic_read(ptr)       __atomic_load_n(ptr, __ATOMIC_RELAXED)
#define qatomic_fetch_add(ptr, n)  __atomic_fetch_add(ptr, n, __ATOMIC_SEQ_CST)
#define qatomic_cmpxchg(ptr, old, new) ({                                  \
    __typeof__(*(ptr)) old_ = (old);                                       \
    __atomic_compare_exchange_n(ptr, &old_, new, false, __ATOMIC_SEQ_CST,  \
                                __ATOMIC_SEQ_CST);                         \
    old_;                                                                  \
})

#endif
