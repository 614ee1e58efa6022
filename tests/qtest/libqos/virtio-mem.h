/*
 * libqos driver for virtio-mem
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_LIBQOS_VIRTIO_MEM_H
#define TESTS_LIBQOS_VIRTIO_MEM_H

#include "qgraph.h"
#include "virtio.h"
#include "virtio-pci.h"

/* The machine that the node brings up. */
#define QVIRTIO_MEM_ID "vm0"
#define QVIRTIO_MEM_REGION_SIZE (16ULL * 1024 * 1024 * 1024)
#define QVIRTIO_MEM_BLOCK_SIZE (2ULL * 1024 * 1024)
#define QVIRTIO_MEM_NODE 1

typedef struct QVirtioMEM {
    QVirtioDevice *vdev;
    QVirtQueue *vq;
    QGuestAllocator *alloc;
    uint64_t features;      /* accepted */
} QVirtioMEM;

typedef struct QVirtioMEMPCI {
    QVirtioPCIDevice pci_vdev;
    QVirtioMEM mem;
} QVirtioMEMPCI;

/* Negotiate @features, set up the queue and set DRIVER_OK. */
void qvirtio_mem_start(QVirtioMEM *mem, uint64_t features);

/* Reset the device and free the queue; what is plugged stays so. */
void qvirtio_mem_stop(QVirtioMEM *mem);

/* All features offered but those libqos has no code for. */
uint64_t qvirtio_mem_usable_features(QVirtioMEM *mem);

/*
 * Send a request of @type and wait for the answer, with padding in the request
 * that a device has to ignore. Returns the response type, and for STATE the
 * state in @state, which may be NULL.
 */
uint16_t qvirtio_mem_request(QTestState *qts, QVirtioMEM *mem, uint16_t type,
                             uint64_t addr, uint16_t nb_blocks,
                             uint16_t *state);

#endif
