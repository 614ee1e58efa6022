/*
 * virtio-mem, residency: pages are found in each kind of memory, by each way
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "virtio-mem/residency.h"
#include "unit.h"

#define PAGES 3000      /* the page map is read in portions of 512 */

typedef struct Kind {
    const char *name;
    bool file, is_private, only_copies;
    bool scans;         /* or as a kernel without PAGEMAP_SCAN */
    bool tells;         /* or as a file system that does not tell of holes */
} Kind;

static const Kind kinds[] = {
    { "anonymous/scan", false, true, false, true, false },
    { "anonymous/read", false, true, false, false, false },
    { "file/tells", true, false, false, true, true },
    { "file/scan", true, false, false, true, false },
    { "file/read", true, false, false, false, false },
    { "private-file/scan", true, true, false, true, false },
    { "private-file/read", true, true, false, false, false },
    { "template/scan", true, true, true, true, false },
    { "template/read", true, true, true, false, false },
};

typedef struct Fixture {
    VirtIOMEMMapping mapping;
    VirtIOMEMResidency residency;
    uint64_t page;
} Fixture;

static Fixture *set_up(const Kind *kind)
{
    Fixture *f = g_new0(Fixture, 1);
    const uint64_t page = sysconf(_SC_PAGESIZE);

    f->page = page;
    f->mapping = (VirtIOMEMMapping) {
        .size = PAGES * page,
        .fd = -1,
        .fd_offset = kind->file ? 7 * page : 0,
        .is_private = kind->is_private,
        .only_copies = kind->only_copies,
    };
    if (kind->file) {
        f->mapping.fd = memfd_create("residency", MFD_CLOEXEC);
        g_assert_cmpint(ftruncate(f->mapping.fd, (PAGES + 9) * page), ==, 0);
    }
    f->mapping.host = mmap(NULL, f->mapping.size, PROT_READ | PROT_WRITE,
                           (kind->is_private ? MAP_PRIVATE : MAP_SHARED) |
                           (kind->file ? 0 : MAP_ANONYMOUS),
                           f->mapping.fd, f->mapping.fd_offset);
    g_assert_true(f->mapping.host != MAP_FAILED);
    madvise(f->mapping.host, f->mapping.size, MADV_NOHUGEPAGE);
    g_assert_cmpint(virtio_mem_residency_init(&f->residency, &f->mapping), ==,
                    0);
    g_assert_cmpint(f->residency.file_tells, ==,
                    kind->file && !kind->is_private);
    f->residency.file_tells &= kind->tells;
    f->residency.can_scan &= kind->scans;
    return f;
}

static void tear_down(Fixture *f)
{
    virtio_mem_residency_cleanup(&f->residency);
    munmap(f->mapping.host, f->mapping.size);
    if (f->mapping.fd >= 0) {
        close(f->mapping.fd);
    }
    g_free(f);
}

/* All runs from @first to before @behind, as text. */
static char *runs(const Fixture *f, uint64_t first, uint64_t behind)
{
    GString *text = g_string_new("");
    VirtIOMEMSpan found;

    while (first < behind &&
           virtio_mem_residency_find(&f->residency, (VirtIOMEMSpan) {
               .offset = first * f->page,
               .size = (behind - first) * f->page,
           }, &found)) {
        g_string_append_printf(text, " %" PRIu64 "+%" PRIu64,
                               found.offset / f->page, found.size / f->page);
        g_assert_cmpuint(found.offset, >=, first * f->page);
        first = (found.offset + found.size) / f->page;
    }
    return g_string_free(text, false);
}

static void check(const Fixture *f, uint64_t first, uint64_t behind,
                  const char *wanted)
{
    g_autofree char *seen = runs(f, first, behind);

    g_assert_cmpstr(seen, ==, wanted);
}

static void test_find(gconstpointer opaque)
{
    static const unsigned written[] = { 0, 1, 511, 512, 1500, 2999 };
    const Kind *kind = opaque;
    Fixture *f = set_up(kind);

    check(f, 0, PAGES, "");
    for (size_t i = 0; i < G_N_ELEMENTS(written); i++) {
        f->mapping.host[written[i] * f->page] = 1;
    }
    check(f, 0, PAGES, " 0+2 511+2 1500+1 2999+1");
    check(f, 1, 512, " 1+1 511+1");
    check(f, 2, 511, "");
    check(f, 1501, 2999, "");
    madvise(f->mapping.host + 511 * f->page, f->page, MADV_DONTNEED);
    if (!kind->file) {
        check(f, 0, 1000, " 0+2 512+1");
    }
    tear_down(f);
}

/* What is the file's is nobody's use of memory. */
static void test_template(gconstpointer opaque)
{
    const Kind *kind = opaque;
    Fixture *f = set_up(kind);

    g_assert_cmpint(pwrite(f->mapping.fd, "x", 1, f->mapping.fd_offset), ==, 1);
    g_assert_cmpint(*(volatile char *)f->mapping.host, ==, 'x');
    check(f, 0, PAGES, kind->only_copies ? "" : " 0+1");
    *f->mapping.host = 'y';
    check(f, 0, PAGES, " 0+1");
    tear_down(f);
}

/* Another process, with a mapping of its own. */
static void test_others(void)
{
    Fixture *f = set_up(&kinds[2]);

    g_assert_cmpint(pwrite(f->mapping.fd, "x", 1,
                           f->mapping.fd_offset + 9 * f->page), ==, 1);
    check(f, 0, PAGES, " 9+1");
    check(f, 0, 9, "");
    check(f, 10, PAGES, "");
    tear_down(f);
}

/* A file with data is one that may not tell of holes: nothing is known. */
static void test_not_empty(void)
{
    Fixture *f = set_up(&kinds[2]);
    VirtIOMEMResidency residency;

    f->mapping.host[5 * f->page] = 1;
    g_assert_cmpint(virtio_mem_residency_init(&residency, &f->mapping), ==, 0);
    g_assert_false(residency.file_tells);
    virtio_mem_residency_cleanup(&residency);
    tear_down(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_CASES("/virtio-mem/residency/find", kinds, test_find);
    for (size_t i = 5; i < G_N_ELEMENTS(kinds); i++) {
        add_case("/virtio-mem/residency/template", kinds[i].name, &kinds[i],
                 test_template);
    }
    g_test_add_func("/virtio-mem/residency/others", test_others);
    g_test_add_func("/virtio-mem/residency/not-empty", test_not_empty);
    return g_test_run();
}
