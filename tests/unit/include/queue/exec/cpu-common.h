/*
 * Stand-in for QEMU's exec/cpu-common.h, for queue.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef EXEC_CPU_COMMON_H
#define EXEC_CPU_COMMON_H

typedef uint64_t hwaddr;
typedef uint64_t ram_addr_t;

#endif
