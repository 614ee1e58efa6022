/*
 * Stand-in for QEMU's qemu/rcu.h, for steps.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_RCU_H
#define QEMU_RCU_H

void rcu_register_thread(void);
void rcu_unregister_thread(void);

#endif
