/*
 * virtio-mem: what is in a file and in the guest's memory of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "virtio-mem-content.h"

#define FILE_BACKEND "memory-backend-file,mem-path=FILE,"
#define DIRECTORY_BACKEND "memory-backend-file,mem-path=DIR,"

static const ContentMemory memories[] = {
    { "file", OWNER_FILE, FILE_BACKEND "share=off" },
    { "template", OWNER_FILE, FILE_BACKEND "share=off,readonly=on,rom=off" },
    { "shared-file", OWNER_SHARED, FILE_BACKEND "share=on" },
    { "anonymous", OWNER_QEMU, "memory-backend-ram" },
    { "shared-anonymous", OWNER_QEMU_SHARED, "memory-backend-ram,share=on" },
    { "memfd", OWNER_QEMU_SHARED, "memory-backend-memfd" },
    { "private-memfd", OWNER_QEMU, "memory-backend-memfd,share=off" },
    { "shm", OWNER_QEMU_SHARED, "memory-backend-shm" },
    /* A file of its own that has no name, so QEMU does not hand it over. */
    { "directory", OWNER_QEMU, DIRECTORY_BACKEND "share=on" },
    { "private-directory", OWNER_QEMU, DIRECTORY_BACKEND "share=off" },
};

/* --- letters -------------------------------------------------------------- */

static uint8_t byte_of(char kind, unsigned block)
{
    static const char kinds[] = "fgn";

    return kind == '0' ? 0
                       : (strchr(kinds, kind) - kinds + 1) << 4 | block;
}

static char letter_of(const uint8_t *bytes, unsigned block)
{
    static const char letters[] = "0fgn";

    if (memcmp(bytes, bytes + 1, BLOCK - 1)) {
        return '?';
    }
    for (const char *l = letters; *l; l++) {
        if (*bytes == byte_of(*l, block)) {
            return *l;
        }
    }
    return '?';
}

static bool letter_fits(const Bed *bed, char seen, char wanted)
{
    const char untouched = bed->memory->owner == OWNER_FILE ? 'f' : '0';

    return wanted == '*' || seen == wanted ||
           (wanted == '~' && (seen == '0' || seen == '-')) ||
           (wanted == 'u' && seen == untouched);
}

static void assert_content(const Bed *bed, const char *what, const char *seen,
                           const char *wanted)
{
    bool fits = true;

    g_assert_cmpuint(strlen(wanted), ==, CONTENT_BLOCKS);
    for (unsigned i = 0; i < CONTENT_BLOCKS; i++) {
        fits = fits && letter_fits(bed, seen[i], wanted[i]);
    }
    if (!fits) {
        g_test_message("%s of '%s': %s, not %s", what, bed->memory->name, seen,
                       wanted);
    }
    g_assert_true(fits);
}

/* --- the file ------------------------------------------------------------- */

void content_write_file(Bed *bed, unsigned block, char kind)
{
    g_autofree uint8_t *bytes = g_malloc(BLOCK);
    const int fd = open(bed->file, O_WRONLY | O_CREAT, 0600);

    memset(bytes, byte_of(kind, block), BLOCK);
    g_assert_cmpint(pwrite(fd, bytes, BLOCK, block * BLOCK), ==, BLOCK);
    close(fd);
}

static char letter_in_file(int fd, unsigned block)
{
    g_autofree uint8_t *bytes = g_malloc(BLOCK);
    const off_t data = lseek(fd, block * BLOCK, SEEK_DATA);

    if (data < 0 || data >= (block + 1) * BLOCK) {
        return '-';
    }
    g_assert_cmpint(pread(fd, bytes, BLOCK, block * BLOCK), ==, BLOCK);
    return letter_of(bytes, block);
}

void content_assert_file(Bed *bed, const char *shared)
{
    char seen[CONTENT_BLOCKS + 1] = "";
    int fd;

    if (!(bed->memory->owner & OWNER_NAMED)) {
        return;
    }
    fd = open(bed->file, O_RDONLY);
    g_assert_cmpint(fd, >=, 0);
    for (unsigned i = 0; i < CONTENT_BLOCKS; i++) {
        seen[i] = letter_in_file(fd, i);
    }
    close(fd);
    assert_content(bed, "file", seen,
                   bed->memory->owner == OWNER_FILE ? bed->kept : shared);
}

/* --- the guest ------------------------------------------------------------ */

void content_plug(QVirtioMEM *mem, unsigned block)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, block, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
}

void content_unplug(QVirtioMEM *mem, unsigned block)
{
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_UNPLUG, block, 1), ==,
                     VIRTIO_MEM_RESP_ACK);
}

void content_write(QVirtioMEM *mem, unsigned block, char kind)
{
    qtest_memset(global_qtest, block_addr(mem, block), byte_of(kind, block),
                 BLOCK);
}

void content_live(QVirtioMEM *mem)
{
    resize(CONTENT_SIZE);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 1, 2), ==,
                     VIRTIO_MEM_RESP_ACK);
    g_assert_cmpuint(request(mem, VIRTIO_MEM_REQ_PLUG, 5, 2), ==,
                     VIRTIO_MEM_RESP_ACK);
    content_write(mem, 1, 'g');
    content_write(mem, 2, '0');
    content_write(mem, 5, 'g');
}

static char letter_in_guest(QVirtioMEM *mem, unsigned block)
{
    const size_t part = 16 * 1024;      /* libqtest is slow with long lines */
    g_autofree uint8_t *bytes = g_malloc(BLOCK);

    if (state_of(mem, block, 1) != VIRTIO_MEM_STATE_PLUGGED) {
        return '.';
    }
    for (size_t at = 0; at < BLOCK; at += part) {
        qtest_bufread(global_qtest, block_addr(mem, block) + at, bytes + at,
                      part);
    }
    return letter_of(bytes, block);
}

void content_assert_guest(Bed *bed, QVirtioMEM *mem, const char *wanted)
{
    char seen[CONTENT_BLOCKS + 1] = "";

    for (unsigned i = 0; i < CONTENT_BLOCKS; i++) {
        seen[i] = letter_in_guest(mem, i);
    }
    assert_content(bed, "guest's memory", seen, wanted);
}

/* --- migration ------------------------------------------------------------ */

void set_capability(const char *name)
{
    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'migrate-set-capabilities', 'arguments': {"
        "  'capabilities': [ { 'capability': %s, 'state': true } ] } }", name);
}

void set_mode(const char *mode)
{
    qtest_qmp_assert_success(global_qtest,
        "{ 'execute': 'migrate-set-parameters', 'arguments': { 'mode': %s } }",
        mode);
}

void content_send(Bed *bed, const char *capability)
{
    Side *from = boot_driver(bed->machine, " -object memory-backend-ram,id=mem0"
                             ",size=" CONTENT_SIZE_TEXT, "", "");

    content_live(&from->mem);
    if (capability) {
        set_capability(capability);
    }
    save(from, bed->stream);
    leave(from);
}

/* --- the bed -------------------------------------------------------------- */

typedef struct ContentCase {
    ContentTest *test;
    const ContentMemory *memory;
    const char *machine;
} ContentCase;

static char *replace(const char *text, const char *what, const char *with)
{
    g_auto(GStrv) parts = g_strsplit(text, what, -1);

    return g_strjoinv(with, parts);
}

static Bed *bed_new(const ContentCase *c)
{
    Bed *bed = g_new0(Bed, 1);
    g_autofree char *type = NULL, *file = NULL;

    bed->memory = c->memory;
    bed->machine = c->machine;
    bed->kept = CONTENT_OF_FILE;
    bed->dir = g_dir_make_tmp("virtio-mem-XXXXXX", NULL);
    g_assert_nonnull(bed->dir);
    bed->file = g_build_filename(bed->dir, "memory", NULL);
    bed->stream = g_build_filename(bed->dir, "stream", NULL);
    bed->uri = g_strdup_printf("unix:%s/socket", bed->dir);
    file = replace(c->memory->type, "FILE", bed->file);
    type = replace(file, "DIR", bed->dir);
    bed->object = g_strdup_printf(" -object %s,id=mem0,size="
                                  CONTENT_SIZE_TEXT, type);
    bed->shared = g_strdup_printf(" -object memory-backend-file,share=on,"
                                  "id=mem0,size=" CONTENT_SIZE_TEXT
                                  ",mem-path=%s", bed->file);
    for (unsigned i = 0; i < CONTENT_BLOCKS; i++) {
        content_write_file(bed, i, 'f');
    }
    return bed;
}

static void bed_free(Bed *bed)
{
    g_autofree char *socket = g_build_filename(bed->dir, "socket", NULL);

    g_unlink(socket);
    g_unlink(bed->stream);
    g_unlink(bed->file);
    g_assert_cmpint(g_rmdir(bed->dir), ==, 0);
    g_free(bed->dir);
    g_free(bed->file);
    g_free(bed->object);
    g_free(bed->shared);
    g_free(bed->stream);
    g_free(bed->uri);
    g_free(bed);
}

static void content_run(const void *data)
{
    const ContentCase *c = data;
    Bed *bed = bed_new(c);

    c->test(bed);
    bed_free(bed);
}

static void add(const char *name, const char *variant, unsigned owners,
                const char *machine, ContentTest *test)
{
    for (unsigned i = 0; i < ARRAY_SIZE(memories); i++) {
        g_autofree char *path = g_strdup_printf("virtio-mem/content/%s%s/%s",
                                                name, variant,
                                                memories[i].name);
        ContentCase *c;

        if (memories[i].owner & owners) {
            c = g_new(ContentCase, 1);
            *c = (ContentCase) { test, &memories[i], machine };
            qtest_add_data_func_full(path, c, content_run, g_free);
        }
    }
}

void content_add(const char *name, unsigned owners, ContentTest *test)
{
    add(name, "", owners, NEW, test);
}

void content_add_both(const char *name, unsigned owners, ContentTest *test)
{
    add(name, "/early", owners, NEW, test);
    add(name, "/late", owners, OLD, test);
}
