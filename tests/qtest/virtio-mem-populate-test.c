/*
 * virtio-mem: how the threads that populate behave
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "virtio-mem-sides.h"

/* Of anonymous memory, which comes fast. */
static void begin_huge_plug(QVirtioMEM *mem)
{
    const Request plug = { VIRTIO_MEM_REQ_PLUG, block_addr(mem, 0),
                           2 * GiB / BLOCK };

    resize(2 * GiB);
    batch_send(mem, &plug, 1);
}

/*
 * What maps memory, in the main loop and with the BQL held, does not wait until
 * all is populated. Of anonymous memory, where the kernel would have it wait,
 * and by one thread, so that it takes a while on any host.
 */
static void mapping_goes_on(const void *data)
{
    Side *side = boot_driver(NEW, MEMORY, ",prealloc=on,prealloc-threads=1",
                             "");
    unsigned mapped = 0;

    begin_huge_plug(&side->mem);
    while (!queried_size()) {
        qtest_qmp_assert_success(
            global_qtest, "{ 'execute': 'object-add', 'arguments': {"
            " 'qom-type': 'memory-backend-ram', 'id': 'more', 'size': 1048576 }"
            " }");
        qtest_qmp_assert_success(
            global_qtest, "{ 'execute': 'object-del', 'arguments': {"
            " 'id': 'more' } }");
        mapped++;
    }
    g_test_message("mapped %u times", mapped);
    g_assert_cmpuint(mapped, >=, 4);
    leave(side);
}

/* CPUs that QEMU's thread @task may run on, if it is one of the device's. */
static char *cpus_of_task(const char *tasks, const char *task)
{
    g_autofree char *file = g_build_filename(tasks, task, "status", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    char *cpus = NULL;

    /* It may have ended. */
    if (!g_file_get_contents(file, &text, NULL, NULL) ||
        !g_str_has_prefix(text, "Name:\tvirtio-mem\n")) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "Cpus_allowed_list:")) {
            cpus = g_strdup(strchr(*line, '\t') + 1);
        }
    }
    return cpus;
}

/*
 * The most threads of the device at a time while it plugs 2 GiB;
 * @on_first_cpu: those that may not run elsewhere.
 */
static unsigned most_threads(const char *memory, const char *options,
                             unsigned *on_first_cpu)
{
    g_autofree char *first = g_strdup_printf("%u", first_cpu());
    g_autofree char *more = g_strdup_printf(
        " -name tested,debug-threads=on"
        " -object thread-context,id=first,cpu-affinity=%s", first);
    Side *side = boot_driver(NEW, memory, options, more);
    g_autofree char *tasks = g_strdup_printf("/proc/%d/task",
                                             (int)qtest_pid(global_qtest));
    unsigned most = 0;

    *on_first_cpu = 0;
    begin_huge_plug(&side->mem);
    while (!queried_size()) {
        GDir *dir = g_dir_open(tasks, 0, NULL);
        unsigned number = 0, bound = 0;
        const char *task;

        while ((task = g_dir_read_name(dir))) {
            g_autofree char *cpus = cpus_of_task(tasks, task);

            number += !!cpus;
            bound += !g_strcmp0(cpus, first);
        }
        g_dir_close(dir);
        most = MAX(most, number);
        *on_first_cpu = MAX(*on_first_cpu, bound);
    }
    leave(side);
    return most;
}

static void threads_are_limited(const void *data)
{
    const unsigned cpus = MIN(g_get_num_processors(), 16);
    unsigned bound;

    g_assert_cmpuint(most_threads(MEMORY, ",prealloc=on,prealloc-threads=1",
                                  &bound), ==, 1);
    g_assert_cmpuint(most_threads(MEMORY, ",prealloc=on,prealloc-threads=2",
                                  &bound), ==, MIN(cpus, 2));
    g_assert_cmpuint(most_threads(MEMORY, ",prealloc=on", &bound), ==, cpus);
}

/* There is one for each CPU that they may run on. */
static void threads_run_where_told(const void *data)
{
    unsigned bound;

    g_assert_cmpuint(most_threads(MEMORY ",prealloc-context=first",
                                  ",prealloc=on", &bound), ==, 1);
    g_assert_cmpuint(bound, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("virtio-mem/populate/mapping-goes-on", NULL,
                        mapping_goes_on);
    qtest_add_data_func("virtio-mem/populate/threads-are-limited", NULL,
                        threads_are_limited);
    qtest_add_data_func("virtio-mem/populate/threads-run-where-told", NULL,
                        threads_run_where_told);
    return g_test_run();
}
