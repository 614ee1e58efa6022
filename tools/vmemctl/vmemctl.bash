# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion of vmemctl

# The socket named on the command line, if there is one.
_vmemctl_socket()
{
    local i

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s|--socket)
            printf '%s\n' "${COMP_WORDS[i + 1]}"
            ;;
        esac
    done
}

# The words of the command line before this one that are no options.
_vmemctl_words()
{
    local i

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s|--socket|--reply-timeout|--timeout)
            ((i++))
            ;;
        --*|-h)
            ;;
        *)
            printf '%s\n' "${COMP_WORDS[i]}"
            ;;
        esac
    done
}

_vmemctl_ids()
{
    vmemctl -s "$1" --reply-timeout 1 list 2>/dev/null |
        awk 'NR > 1 && $1 != "-" { print $1 }'
}

_vmemctl()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local words candidates=

    COMPREPLY=()
    case $before in
    -s|--socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --reply-timeout|--timeout)
        return
        ;;
    esac
    mapfile -t words < <(_vmemctl_words)
    if [[ $word == -* ]]; then
        candidates="--socket --reply-timeout --help --version"
        case ${words[0]} in
        list) candidates+=" --json" ;;
        resize) candidates+=" --wait --timeout" ;;
        esac
    elif [[ ${#words[@]} -eq 0 ]]; then
        candidates="list resize watch"
    elif [[ ${#words[@]} -eq 1 && ${words[0]} != list ]]; then
        candidates=$(_vmemctl_ids "$(_vmemctl_socket)")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$word")
}

complete -F _vmemctl vmemctl
