/*
 * virtio-mem: a host that refuses what a test wants it to refuse
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qemu/atomic.h"
#include "qobject/qdict.h"
#include "virtio-mem-faults-host.h"

#define LIBRARY "libvirtio-mem-faults.so"

const int errors[NB_ERRORS] = {
    EAGAIN, ENOMEM, ENOSPC, EINVAL, EPERM, EFAULT, EINTR, EIO, EBADF, EHWPOISON,
};

const Memory memories[NB_MEMORIES] = {
    { "anonymous", "memory-backend-ram", NEEDS(DONTNEED), NEEDS(MINCORE) },
    { "memfd", "memory-backend-memfd", NEEDS(FALLOCATE) | NEEDS(DONTNEED),
      NEEDS(SEEK_DATA) },
    { "shared-file", "memory-backend-file,share=on,mem-path=%s",
      NEEDS(FALLOCATE) | NEEDS(DONTNEED), NEEDS(SEEK_DATA) },
    { "file", "memory-backend-file,share=off,mem-path=%s", NEEDS(DONTNEED),
      NEEDS(MINCORE) },
};

static char *library;

void faults_init(const char *program)
{
    g_autofree char *dir = g_path_get_dirname(program);
    g_autofree char *path = g_build_filename(dir, LIBRARY, NULL);

    library = g_canonicalize_filename(path, NULL);
    g_assert_true(g_file_test(library, G_FILE_TEST_EXISTS));
}

Host *host_new(void)
{
    const char *options = getenv("ASAN_OPTIONS");
    Host *host = g_new0(Host, 1);
    int fd;

    host->path = temporary_file();
    g_assert_cmpint(truncate(host->path, sizeof(Faults)), ==, 0);
    fd = open(host->path, O_RDWR);
    host->faults = mmap(NULL, sizeof(Faults), PROT_READ | PROT_WRITE,
                        MAP_SHARED, fd, 0);
    g_assert_true(host->faults != MAP_FAILED);
    close(fd);
    g_setenv(FAULTS_VARIABLE, host->path, true);
    g_setenv("LD_PRELOAD", library, true);
    if (options && !strstr(options, "verify_asan_link_order")) {
        g_autofree char *more = g_strconcat(options,
                                            ":verify_asan_link_order=0", NULL);

        g_setenv("ASAN_OPTIONS", more, true);
    }
    return host;
}

void host_started(Host *host)
{
    g_unsetenv("LD_PRELOAD");
    g_unsetenv(FAULTS_VARIABLE);
    unlink(host->path);
}

void host_free(Host *host)
{
    munmap(host->faults, sizeof(Faults));
    g_free(host->path);
    g_free(host);
}

void refuse(Host *host, FaultCall call, int error, int skip)
{
    Fault *fault = &host->faults->fault[call];

    fault->skip = skip;
    fault->seen = 0;
    fault->failed = 0;
    qatomic_set_mb(&fault->error, error);
}

void give_again(Host *host)
{
    for (unsigned i = 0; i < FAULT_CALLS; i++) {
        qatomic_set_mb(&host->faults->fault[i].error, 0);
    }
}

bool was_refused(Host *host, FaultCall call)
{
    return qatomic_read(&host->faults->fault[call].failed);
}

uint64_t device_size(void)
{
    QDict *rsp = qtest_qmp(global_qtest, "{ 'execute': 'qom-get', 'arguments':"
                           " { 'path': '/machine/peripheral/" QVIRTIO_MEM_ID
                           "', 'property': 'size' } }");
    const uint64_t size = qdict_get_int(rsp, "return");

    qobject_unref(rsp);
    return size;
}

void assert_all_agree(QVirtioMEM *mem, uint64_t nb_plugged)
{
    g_assert_cmpuint(plugged_size(mem), ==, nb_plugged * BLOCK);
    g_assert_cmpuint(device_size(), ==, nb_plugged * BLOCK);
    g_assert_cmpuint(state_of(mem, 0, NB), ==,
                     nb_plugged == NB ? VIRTIO_MEM_STATE_PLUGGED :
                     nb_plugged ? VIRTIO_MEM_STATE_MIXED :
                     VIRTIO_MEM_STATE_UNPLUGGED);
}

void use(QVirtioMEM *mem)
{
    qtest_memset(global_qtest, block_addr(mem, 0), 0xa5, SIZE);
    g_assert_cmphex(readb(block_addr(mem, NB) - 1), ==, 0xa5);
}

void plug(QVirtioMEM *mem)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 0, NB), ==,
                     VIRTIO_MEM_RESP_ACK);
    use(mem);
}

uint16_t ask(QVirtioMEM *mem, uint16_t type)
{
    return type == VIRTIO_MEM_REQ_UNPLUG_ALL ? request(mem, type, 0, 0)
                                             : request(mem, type, 0, NB);
}

void unplug_all(QVirtioMEM *mem)
{
    g_assert_cmpuint(ask(mem, VIRTIO_MEM_REQ_UNPLUG_ALL), ==,
                     VIRTIO_MEM_RESP_ACK);
    assert_all_agree(mem, 0);
}

/* In memory where there is such a place: a disk would take most of the time. */
char *memory_file(void)
{
    char *path = g_strdup("/dev/shm/virtio-mem-XXXXXX");
    const int fd = g_mkstemp(path);

    if (fd < 0) {
        g_free(path);
        return temporary_file();
    }
    close(fd);
    return path;
}

char *memory_object(const Memory *memory, const char *file)
{
    g_autofree char *type = NULL;
    g_auto(GStrv) parts = g_strsplit(memory->type, "%s", -1);

    type = g_strjoinv(file, parts);
    return g_strdup_printf(" -object %s,id=mem0,size=64M", type);
}

Bed bed_make(const Memory *memory, const char *options)
{
    Bed bed = { .file = memory_file(), .host = host_new() };
    g_autofree char *object = memory_object(memory, bed.file);

    bed.side = boot_driver(NEW, object, options, "");
    host_started(bed.host);
    return bed;
}

void bed_unmake(Bed *bed)
{
    leave(bed->side);
    host_free(bed->host);
    unlink(bed->file);
    g_free(bed->file);
}
