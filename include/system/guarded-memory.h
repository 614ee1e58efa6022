/*
 * Guest memory that a device has put out of reach with userfaultfd
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_GUARDED_MEMORY_H
#define SYSTEM_GUARDED_MEMORY_H

/*
 * guarded_memory_let_in: a CPU could not access memory (EFAULT). If a device may
 * have been the cause, let the CPU in for a moment.
 *
 * Call it in the CPU's thread, without the BQL.
 *
 * Returns whether the CPU shall try again.
 */
bool guarded_memory_let_in(void);

#endif
