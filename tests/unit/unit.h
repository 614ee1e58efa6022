/*
 * virtio-mem: what the unit tests share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#define KiB ((uint64_t)1 << 10)
#define MiB ((uint64_t)1 << 20)

static inline void add_case(const char *group, const char *name,
                            gconstpointer data, GTestDataFunc run)
{
    g_autofree char *path = g_strdup_printf("%s/%s", group, name);

    g_test_add_data_func(path, data, run);
}

/* A test for each element of the array @cases_, at @group_/its .name. */
#define ADD_CASES(group_, cases_, run_)                            \
    for (size_t i_ = 0; i_ < G_N_ELEMENTS(cases_); i_++) {         \
        add_case(group_, (cases_)[i_].name, &(cases_)[i_], run_);  \
    }

#endif
