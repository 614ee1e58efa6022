/*
 * vmemctl: the command line
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <string.h>

#include "vmemctl.h"
#include "qmp.h"

#define MOST_WORDS 3

static bool usage(GError **errp, const char *what, const char *about)
{
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                "%s '%s': vmemctl --help tells more", what, about);
    return false;
}

/* -1G is a size. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] && !g_ascii_isdigit(word[1]) &&
           word[1] != '.';
}

static bool parse_seconds(const char *text, unsigned *seconds, GError **errp)
{
    uint64_t value;

    if (!g_ascii_string_to_unsigned(text, 10, 1, 1000000, &value, NULL)) {
        return usage(errp, "not a number of seconds, 1 to 1000000:", text);
    }
    *seconds = value;
    return true;
}

static bool *flag(Options *options, const char *word)
{
    return !strcmp(word, "--json") ? &options->json :
           !strcmp(word, "--wait") ? &options->wait :
           !strcmp(word, "--help") || !strcmp(word, "-h") ? &options->help :
           NULL;
}

/* An option that takes a value. */
static bool set_value(Options *options, const char *name, const char *value,
                      GError **errp)
{
    if (!strcmp(name, "-s") || !strcmp(name, "--socket")) {
        options->socket = value;
        return *value || usage(errp, "no socket after", name);
    }
    return parse_seconds(value, !strcmp(name, "--limit") ? &options->limit :
                         &options->timeout, errp);
}

static bool takes_value(const char *name)
{
    return !strcmp(name, "-s") || !strcmp(name, "--socket") ||
           !strcmp(name, "--limit") || !strcmp(name, "--timeout");
}

/* The option at @argv; it leaves @argv at its last word. */
static bool parse_option(Options *options, char ***argv, GError **errp)
{
    const char *word = **argv;
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    g_autofree char *name = equals ? g_strndup(word, equals - word) :
                            g_strdup(word);
    bool *set = flag(options, word);

    if (set) {
        *set = true;
        return true;
    }
    if (!takes_value(name)) {
        return usage(errp, "there is no option", word);
    }
    if (equals) {
        return set_value(options, name, equals + 1, errp);
    }
    if (!(*argv)[1]) {
        return usage(errp, "a value is missing after", word);
    }
    (*argv)++;
    return set_value(options, name, **argv, errp);
}

/* Whether a command has as many words as it takes, and only its options. */
static bool check(Options *options, unsigned words, GError **errp)
{
    bool list = !g_strcmp0(options->command, "list");
    bool resize = !g_strcmp0(options->command, "resize");
    bool watch = !g_strcmp0(options->command, "watch");

    if (!options->command) {
        return usage(errp, "a command is missing, such as", "list");
    }
    if (!list && !resize && !watch) {
        return usage(errp, "there is no command", options->command);
    }
    if (words > (list ? 1 : watch ? 2 : 3)) {
        return usage(errp, "too many words for", options->command);
    }
    if (resize && words < 3) {
        return usage(errp, "a device's id and a size are missing after",
                     "resize");
    }
    if (options->json && !list) {
        return usage(errp, "only list takes", "--json");
    }
    if ((options->wait || options->timeout) && !resize) {
        return usage(errp, "only resize takes",
                     options->wait ? "--wait" : "--timeout");
    }
    if (options->timeout && !options->wait) {
        return usage(errp, "without --wait there is no", "--timeout");
    }
    if (!options->socket) {
        return usage(errp, "the socket of a VM's QMP monitor is missing:",
                     "-s SOCKET");
    }
    return true;
}

bool options_parse(Options *options, char **argv, GError **errp)
{
    const char *words[MOST_WORDS] = { NULL };
    unsigned count = 0;

    *options = (Options) { .limit = REPLY_TIMEOUT };
    for (argv++; *argv; argv++) {
        if (is_option(*argv)) {
            if (!parse_option(options, &argv, errp)) {
                return false;
            }
        } else if (count == MOST_WORDS) {
            return usage(errp, "one word too many:", *argv);
        } else {
            words[count++] = *argv;
        }
    }
    options->command = words[0];
    options->id = words[1];
    return options->help ||
           (check(options, count, errp) &&
            (!words[2] || size_parse(words[2], &options->size, errp)));
}

void options_help(void)
{
    printf("usage: vmemctl -s SOCKET COMMAND\n"
           "Show and resize the virtio-mem devices of a running VM.\n"
           "\n"
           "  list [--json]         a table of the devices\n"
           "  resize ID SIZE        ask for SIZE: 40G, +512M, -1G, or 50%%,"
           " max\n"
           "    --wait              wait for it, and show how far it is\n"
           "    --timeout S         wait for S seconds at most; otherwise"
           " until nothing\n"
           "                        has moved for 30 seconds\n"
           "  watch [ID]            a table that follows changes, until"
           " Ctrl-C\n"
           "\n"
           "  -s, --socket SOCKET   the VM's QMP monitor: a path, or"
           " host:port\n"
           "  --limit S             seconds that QEMU has for each answer"
           " (%d)\n"
           "  -h, --help            this text\n"
           "\n"
           "Exit status: 0 done, 1 no connection, 2 refused, 3 partly done,"
           " 4 no progress.\n", REPLY_TIMEOUT);
}
