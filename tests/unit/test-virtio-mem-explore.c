/*
 * virtio-mem, explore: every order of events, up to a depth
 *
 * Breadth first over the states of a small world (explore-world.h). A state that
 * was not seen before is kept with the events that lead to it, and gone on from
 * in a new world in which they happen again. After each event all that must be
 * so is checked (explore-check.c); then the world comes to rest, and a driver
 * that behaves must be served.
 *
 * The events that led to a failure are printed in words. VIRTIO_MEM_DEPTH=n in
 * the environment makes each search n events deep.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "explore-world.h"

#define MAX_DEPTH 20            /* events */
#define MAX_CHOICES 24          /* in the middle of one event */
#define SECONDS 60              /* for one state: more means that it hangs */

/* An event, and what was chosen in the middle of it. */
typedef struct Step {
    uint8_t event;
    uint8_t nb_choices;
    uint8_t choices[MAX_CHOICES];
} Step;

/* --- what happened -------------------------------------------------------- */

static struct {
    unsigned length;
    Step steps[MAX_DEPTH];
    const Choice *choices[MAX_DEPTH][MAX_CHOICES];
    unsigned nb_chosen;         /* in the last step */
    bool rests;                 /* after them the world comes to rest */
} history;

static void tell_step(unsigned number)
{
    const Step *step = &history.steps[number];

    g_printerr("#   %2u. %s\n", number + 1, events[step->event].name);
    for (unsigned i = 0; i < step->nb_choices; i++) {
        if (step->choices[i]) {
            g_printerr("#         %s\n",
                       history.choices[number][i]->names[step->choices[i]]);
        }
    }
}

static void tell_history(void)
{
    g_printerr("# after %u events:\n", history.length);
    for (unsigned i = 0; i < history.length; i++) {
        tell_step(i);
    }
    if (history.rests) {
        g_printerr("#       and then it comes to rest\n");
    }
}

void world_fail(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_printerr("# %s\n", text);
    abort();
}

/* Also after a failed assertion, a crash, and when it hangs. */
static void ends(int signal_number)
{
    signal(SIGABRT, SIG_DFL);
    g_printerr("# %s\n", strsignal(signal_number));
    tell_history();
    abort();
}

#ifdef __SANITIZE_ADDRESS__
void __sanitizer_set_death_callback(void (*callback)(void));
#else
#define __sanitizer_set_death_callback(callback) \
    signal(SIGSEGV, ends)
#endif

/* --- steps ---------------------------------------------------------------- */

/* What was chosen before is chosen again; the rest is what usually happens. */
unsigned world_choose(const Choice *choice)
{
    unsigned number, i;
    Step *step;

    if (history.rests) {
        return 0;
    }
    number = history.length - 1;
    step = &history.steps[number];
    i = history.nb_chosen++;
    g_assert(i < MAX_CHOICES);
    history.choices[number][i] = choice;
    if (i >= step->nb_choices) {
        step->choices[i] = 0;
        step->nb_choices = i + 1;
    }
    return step->choices[i];
}

static void happens(const Step *step)
{
    g_assert(history.length < MAX_DEPTH);
    history.nb_chosen = 0;
    history.steps[history.length++] = *step;
    event_happens(&events[step->event]);
}

/* From the last step make one with other choices; false: there is none. */
static bool choose_otherwise(Step *step)
{
    const unsigned number = history.length - 1;

    *step = history.steps[number];
    while (step->nb_choices) {
        const unsigned last = step->nb_choices - 1;

        if (++step->choices[last] < history.choices[number][last]->count) {
            return true;
        }
        step->nb_choices--;
    }
    return false;
}

/* --- states --------------------------------------------------------------- */

typedef struct State {
    unsigned before;            /* index of the state it was reached from */
    unsigned depth;
    Step step;                  /* and by what */
    uint64_t makes_sense;       /* a bit for each event */
} State;

typedef struct Search {
    const WorldKind *kind;
    GArray *states;
    GHashTable *seen;           /* by digest; index + 1 */
    uint64_t orders;
} Search;

static State *state_at(const Search *search, unsigned index)
{
    return &g_array_index(search->states, State, index);
}

/* A world in the state @index. */
static void revive(const Search *search, unsigned index)
{
    const State *state = state_at(search, index);
    const unsigned depth = state->depth;
    Step steps[MAX_DEPTH];

    for (; state->depth; state = state_at(search, state->before)) {
        steps[state->depth - 1] = state->step;
    }
    world_begin(search->kind);
    history.length = 0;
    for (unsigned i = 0; i < depth; i++) {
        happens(&steps[i]);
        g_assert(history.nb_chosen == steps[i].nb_choices);
    }
}

static uint64_t what_makes_sense(void)
{
    uint64_t makes_sense = 0;

    for (unsigned i = 0; i < nb_events; i++) {
        if (event_makes_sense(&events[i])) {
            makes_sense |= 1ULL << i;
        }
    }
    return makes_sense;
}

/* Is the world as it is now one that was not seen before? */
static void note(Search *search, unsigned before)
{
    GBytes *digest = check_digest();
    gpointer known = g_hash_table_lookup(search->seen, digest);
    State state = {
        .before = before,
        .depth = history.length,
        .makes_sense = what_makes_sense(),
    };

    if (known) {
        const State *same = state_at(search, GPOINTER_TO_UINT(known) - 1);

        g_assert(same->makes_sense == state.makes_sense);
        g_bytes_unref(digest);
        return;
    }
    if (history.length) {
        state.step = history.steps[history.length - 1];
    }
    g_array_append_val(search->states, state);
    g_hash_table_insert(search->seen, digest,
                        GUINT_TO_POINTER(search->states->len));
}

static void come_to_rest(void)
{
    history.rests = true;
    world_comes_to_rest();
    history.rests = false;
}

/* @event happens in the state @index, in every way. */
static void try(Search *search, unsigned index, unsigned event)
{
    Step step = { .event = event };

    do {
        revive(search, index);
        happens(&step);
        check_world();
        note(search, index);
        come_to_rest();
        search->orders++;
    } while (choose_otherwise(&step));
}

static void go_on_from(Search *search, unsigned index)
{
    const uint64_t makes_sense = state_at(search, index)->makes_sense;

    alarm(SECONDS);
    for (unsigned i = 0; i < nb_events; i++) {
        if (makes_sense >> i & 1) {
            try(search, index, i);
        }
    }
}

/* --- the search ----------------------------------------------------------- */

static void tell_search(const Search *search, unsigned depth, double seconds)
{
    const State *last = state_at(search, search->states->len - 1);

    g_test_message("%u states, %" PRIu64 " orders in %.1f s; depth %u%s",
                   search->states->len, search->orders, seconds, last->depth,
                   last->depth < depth ? ", and there are no more" : "");
}

/* The first state is that of a driver that has just started. */
static void search_all(const WorldKind *kind, unsigned depth)
{
    g_autoptr(GTimer) timer = g_timer_new();
    Search search = {
        .kind = kind,
        .states = g_array_new(false, false, sizeof(State)),
        .seen = g_hash_table_new_full(g_bytes_hash, g_bytes_equal,
                                      (GDestroyNotify)g_bytes_unref, NULL),
    };

    world_begin(kind);
    history.length = 0;
    note(&search, 0);
    come_to_rest();
    for (unsigned i = 0; i < search.states->len; i++) {
        if (state_at(&search, i)->depth < depth) {
            go_on_from(&search, i);
        }
    }
    alarm(0);
    tell_search(&search, depth, g_timer_elapsed(timer, NULL));
    g_hash_table_unref(search.seen);
    g_array_unref(search.states);
}

/* The sanitizers make it slow; what they see does not take many events. */
#ifdef __SANITIZE_ADDRESS__
#define DEPTH(usual, sanitized) (sanitized)
#else
#define DEPTH(usual, sanitized) (usual)
#endif

static const struct Case {
    const char *name;
    WorldKind kind;
    unsigned depth;
} cases[] = {
    { "two-requests", { .waiting = 2 }, DEPTH(MAX_DEPTH, 4) },
    { "three-requests", { .waiting = 3 }, DEPTH(3, 2) },
    { "slow-host", { .waiting = 2, .slow = true }, DEPTH(4, 3) },
    { "packed-ring", { .waiting = 2, .packed = true }, DEPTH(4, 3) },
    { "aimed-answers", { .waiting = 2, .aimed = true }, DEPTH(3, 2) },
    { "recorded", { .waiting = 2, .recorded = true, .slow = true },
      DEPTH(MAX_DEPTH, 4) },
};

static void test_search(gconstpointer data)
{
    const struct Case *c = data;
    const char *depth = g_getenv("VIRTIO_MEM_DEPTH");

    search_all(&c->kind, depth ? MIN(strtoul(depth, NULL, 10), MAX_DEPTH)
                               : c->depth);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mallopt(M_PERTURB, 0xa5);   /* what is freed looks so */
    signal(SIGABRT, ends);
    signal(SIGALRM, ends);
    __sanitizer_set_death_callback(tell_history);
    ADD_CASES("/virtio-mem/explore", cases, test_search);
    return g_test_run();
}
