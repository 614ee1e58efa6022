/*
 * vmemctl: the command line
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>

#include "vmemctl.h"

#define HIDDEN_MINUS '\001'

typedef struct Command {
    const char *name;
    const char *words;
    const char *summary;
    unsigned least, most;   /* words after the name */
    CommandRun *run;
    const char *description;
} Command;

static const Command commands[] = {
    {
        .name = "export", .words = "export [SOURCE...]",
        .run = command_export, .most = G_MAXUINT,
        .summary = "Print or serve the metrics of all VMs for Prometheus.",
        .description = "SOURCE is a QMP monitor (a path, or host:port), or a"
                       " directory with the\nsockets of QMP monitors."
                       " Without it, it is SOCKET.",
    }, {
        .name = "list", .words = "list", .run = command_list,
        .summary = "Show the devices of the VM.",
        .description = "With --json, print an array with an object for each"
                       " device.",
    }, {
        .name = "resize", .words = "resize ID SIZE", .run = command_resize,
        .summary = "Request another size for the device ID.",
        .least = 2, .most = 2,
        .description = "SIZE is one of\n"
                       "  40G, 1.5GiB, 0x40000000  this size\n"
                       "  max                      the device's maximum\n"
                       "  50%                      a percentage of it\n"
                       "  +512M, -1G, +5%          more or less than the"
                       " requested size\n"
                       "\n"
                       "Exit status: 0 done, 1 no connection, 2 refused,"
                       " 3 partly done,\n"
                       "4 blocked, 5 paused, 130 interrupted.",
    }, {
        .name = "watch", .words = "watch [ID]", .run = command_watch,
        .summary = "Show all devices or one, again and again, until Ctrl-C.",
        .most = 1,
        .description = "With --json, print an object for each device that has"
                       " changed.",
    },
};

/* What GOption finds. */
typedef struct Found {
    char *socket, *reply_timeout, *timeout, *listen, *format;
    gboolean json, wait, help, version;
    GStrv words;
} Found;

static void found_clear(Found *found)
{
    g_free(found->socket);
    g_free(found->reply_timeout);
    g_free(found->timeout);
    g_free(found->listen);
    g_free(found->format);
    g_strfreev(found->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Found, found_clear)

static const Command *command_of(const Found *found)
{
    const char *name = found->words ? found->words[0] : NULL;
    size_t i;

    for (i = 0; name && i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

/* Options for all commands, and those of @command, or of each if NULL. */
static GOptionContext *context_new(Found *found, const char *words,
                                   const Command *command)
{
    GOptionContext *context = g_option_context_new(words);
    const GOptionEntry of_all[] = {
        { "socket", 's', 0, G_OPTION_ARG_FILENAME, &found->socket,
          "QMP monitor of the VM: a path, or host:port"
          " (default: $VMEMCTL_SOCKET)", "SOCKET" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &found->json,
          "Print JSON, with sizes in bytes", NULL },
        { "reply-timeout", 0, 0, G_OPTION_ARG_FILENAME, &found->reply_timeout,
          "Time that QEMU has for each reply, in seconds (default: "
          G_STRINGIFY(REPLY_TIMEOUT) "; for export: "
          G_STRINGIFY(REPLY_TIMEOUT_EXPORT) ")", "S" },
        { "limit", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME,
          &found->reply_timeout, NULL, NULL },
        { "help", 'h', 0, G_OPTION_ARG_NONE, &found->help,
          "Show the help of vmemctl, or of a command", NULL },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &found->version,
          "Show the version", NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY,
          &found->words, NULL, NULL },
        { 0 }
    };
    const GOptionEntry of_resize[] = {
        { "wait", 0, 0, G_OPTION_ARG_NONE, &found->wait,
          "Wait until the device has the size, and show the progress", NULL },
        { "timeout", 0, 0, G_OPTION_ARG_FILENAME, &found->timeout,
          "Wait for S seconds at most (default: until the size has not"
          " changed for 30 seconds)", "S" },
        { 0 }
    };
    const GOptionEntry of_export[] = {
        { "listen", 0, 0, G_OPTION_ARG_FILENAME, &found->listen,
          "Serve HTTP at a path or host:port, until Ctrl-C", "ADDRESS" },
        { "format", 0, 0, G_OPTION_ARG_FILENAME, &found->format,
          "prometheus (default) or openmetrics", "FORMAT" },
        { 0 }
    };

    /* The help that GOption adds by itself would not notice a full disk. */
    g_option_context_set_help_enabled(context, FALSE);
    if (!command || command->run == command_resize) {
        g_option_context_add_main_entries(context, of_resize, NULL);
    }
    if (!command || command->run == command_export) {
        g_option_context_add_main_entries(context, of_export, NULL);
    }
    g_option_context_add_main_entries(context, of_all, NULL);
    return context;
}

static char *help_text(const Command *command)
{
    static const Command no_command;
    Found unused = { 0 };
    g_autoptr(GOptionContext) context =
        context_new(&unused, command ? command->words : "COMMAND",
                    command ?: &no_command);
    g_autoptr(GString) summary = g_string_new(NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;
    size_t i;

    if (command) {
        g_option_context_set_summary(context, command->summary);
        g_option_context_set_description(context, command->description);
    } else {
        g_string_append(summary, "Show and resize the virtio-mem devices of a"
                        " running VM.\n\nCommands:");
        for (i = 0; i < G_N_ELEMENTS(commands); i++) {
            g_string_append_printf(summary, "\n  %-20s%s", commands[i].words,
                                   commands[i].summary);
        }
        g_option_context_set_summary(context, summary->str);
        g_option_context_set_description(
            context, "See 'vmemctl COMMAND --help' for a command, and"
            " vmemctl(1) for everything.");
    }
    /* GLib's only character that is not ASCII; the locale may be C. */
    text = g_option_context_get_help(context, TRUE, NULL);
    parts = g_strsplit(text, "…", -1);
    return g_strjoinv("...", parts);
}

static bool usage(GError **errp, const Command *command, const char *format,
                  ...) G_GNUC_PRINTF(3, 4);

static bool usage(GError **errp, const Command *command, const char *format,
                  ...)
{
    g_autofree char *text = NULL;
    va_list values;

    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    g_set_error(errp, VMEMCTL_ERROR, VMEMCTL_REFUSED,
                "%s; see 'vmemctl %s%s--help'", text,
                command ? command->name : "", command ? " " : "");
    return false;
}

static bool is_size(const char *word)
{
    return *word == '-' && (g_ascii_isdigit(word[1]) || word[1] == '.');
}

/*
 * The words, as GOption takes them. It does not know -sPATH; it would take
 * -1G for options, whose minus is hidden until it is done; and it would take
 * --json=no for --json.
 */
static GStrv prepare(char **argv, GError **errp)
{
    static const char *const flags[] = {
        "--json=", "--wait=", "--help=", "--version="
    };
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    bool options = true;
    size_t i;

    for (; *argv; argv++) {
        options = options && strcmp(*argv, "--");
        for (i = 0; options && i < G_N_ELEMENTS(flags); i++) {
            if (g_str_has_prefix(*argv, flags[i])) {
                usage(errp, NULL, "'%s': this option takes no value", *argv);
                return NULL;
            }
        }
        if (options && g_str_has_prefix(*argv, "-s") && (*argv)[2]) {
            g_ptr_array_add(words, g_strdup("-s"));
            g_ptr_array_add(words, g_strdup(*argv + 2));
        } else {
            g_ptr_array_add(words, g_strdup(*argv));
        }
        if (options && is_size(*argv)) {
            *(char *)words->pdata[words->len - 1] = HIDDEN_MINUS;
        }
    }
    g_ptr_array_add(words, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

static void show_minus(char *word)
{
    if (word && *word == HIDDEN_MINUS) {
        *word = '-';
    }
}

static bool parse(Found *found, char **argv, GError **errp)
{
    g_autoptr(GOptionContext) context = context_new(found, NULL, NULL);
    g_auto(GStrv) words = prepare(argv, errp);
    g_autoptr(GError) error = NULL;
    GStrv word;

    if (!words) {
        return false;
    }
    if (!g_option_context_parse_strv(context, &words, &error)) {
        return usage(errp, NULL, "%s", error->message);
    }
    show_minus(found->socket);
    show_minus(found->reply_timeout);
    show_minus(found->timeout);
    show_minus(found->listen);
    show_minus(found->format);
    for (word = found->words; word && *word; word++) {
        show_minus(*word);
    }
    return true;
}

static bool parse_seconds(const char *text, const char *option,
                          const Command *command, unsigned *seconds,
                          GError **errp)
{
    uint64_t value;

    if (!text) {
        return true;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 1, 1000000, &value, NULL)) {
        return usage(errp, command, "'%s' is not a number of seconds for %s,"
                     " 1 to 1000000", text, option);
    }
    *seconds = value;
    return true;
}

/* Whether an export has only options that go together. */
static bool check_export(const Found *found, const Command *command,
                         GError **errp)
{
    if (found->json) {
        return usage(errp, command, "export has no --json: list has");
    }
    if (found->listen && found->format) {
        return usage(errp, command, "--format is not for --listen: who asks"
                     " chooses it");
    }
    if (found->format && strcmp(found->format, "prometheus") &&
        strcmp(found->format, "openmetrics")) {
        return usage(errp, command, "'%s' is not a format: it is prometheus or"
                     " openmetrics", found->format);
    }
    return true;
}

/* Whether the command has as many words as it takes, and only its options. */
static bool check(const Found *found, const Command *command, GError **errp)
{
    unsigned count = found->words ? g_strv_length(found->words) : 0;

    if (!count) {
        return usage(errp, NULL, "a command is missing");
    }
    if (!command) {
        return usage(errp, NULL, "there is no command '%s'", found->words[0]);
    }
    if (count - 1 < command->least) {
        return usage(errp, command, "resize needs the ID of a device and a"
                     " SIZE");
    }
    if (count - 1 > command->most) {
        return usage(errp, command, "'%s' is too much for %s",
                     found->words[command->most + 1], command->name);
    }
    if (command->run != command_resize && (found->wait || found->timeout)) {
        return usage(errp, command, "%s is an option of resize only",
                     found->wait ? "--wait" : "--timeout");
    }
    if (found->timeout && !found->wait) {
        return usage(errp, command, "--timeout needs --wait");
    }
    return command->run == command_export ? check_export(found, command, errp) :
           !(found->listen || found->format) ||
           usage(errp, command, "%s is an option of export only",
                 found->listen ? "--listen" : "--format");
}

/* The socket: of the command line, or else of the environment. */
static bool take_socket(Options *options, Found *found, GError **errp)
{
    const char *usual = g_getenv("VMEMCTL_SOCKET");

    options->socket = found->socket ? g_steal_pointer(&found->socket) :
                      g_strdup(usual);
    if (!options->socket || !*options->socket) {
        return usage(errp, NULL, "no QMP monitor is named: give -s SOCKET, or"
                     " set VMEMCTL_SOCKET");
    }
    return true;
}

/* What an export is of: what is named, or else the socket. */
static bool take_sources(Options *options, Found *found, GError **errp)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func(g_free);
    GStrv word;

    if ((found->socket || !found->words[1]) &&
        !take_socket(options, found, errp)) {
        return false;
    }
    if (options->socket) {
        g_ptr_array_add(sources, g_strdup(options->socket));
    }
    for (word = found->words + 1; *word; word++) {
        g_ptr_array_add(sources, g_strdup(*word));
    }
    g_ptr_array_add(sources, NULL);
    options->sources = (GStrv)g_ptr_array_free(g_steal_pointer(&sources),
                                               FALSE);
    options->listen = g_steal_pointer(&found->listen);
    options->format = !g_strcmp0(found->format, "openmetrics") ?
                      METRICS_OPENMETRICS : METRICS_PROMETHEUS;
    return true;
}

bool options_parse(Options *options, char **argv, GError **errp)
{
    g_auto(Found) found = { 0 };
    const Command *command;

    *options = (Options) { .reply_timeout = REPLY_TIMEOUT };
    g_set_prgname("vmemctl");
    if (!parse(&found, argv, errp)) {
        return false;
    }
    command = command_of(&found);
    if (found.help || found.version) {
        options->text = found.help ? help_text(command) :
            g_strdup("vmemctl (virtio-mem for QEMU) " VMEMCTL_VERSION "\n");
        return true;
    }
    if (command && command->run == command_export) {
        options->reply_timeout = REPLY_TIMEOUT_EXPORT;
    }
    if (!check(&found, command, errp) ||
        !parse_seconds(found.reply_timeout, "--reply-timeout", command,
                       &options->reply_timeout, errp) ||
        !parse_seconds(found.timeout, "--timeout", command, &options->timeout,
                       errp) ||
        !(command->run == command_export ?
          take_sources(options, &found, errp) :
          take_socket(options, &found, errp))) {
        return false;
    }
    options->run = command->run;
    options->json = found.json;
    options->wait = found.wait;
    options->words = g_steal_pointer(&found.words);
    options->id = options->words[1];
    return command->run != command_resize ||
           size_parse(options->words[2], &options->size, errp);
}

void options_clear(Options *options)
{
    g_free(options->text);
    g_free(options->socket);
    g_free(options->listen);
    g_strfreev(options->sources);
    g_strfreev(options->words);
}
