# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion of vmemctl

_vmemctl_ids()
{
    vmemctl -s "${1/#\~/$HOME}" --reply-timeout 1 list 2>/dev/null |
        awk 'NR > 1 && $1 != "-" { print $1 }'
}

_vmemctl()
{
    local socket=$VMEMCTL_SOCKET candidates= words=() given=() word i

    COMPREPLY=()
    # Not COMP_WORDS, which are also broken at = and :
    read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} == *' ' ]] && words+=("")
    word=${words[-1]}

    # What stands before this word; an option's value may be this word.
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
        -s|--socket)
            socket=${words[++i]}
            ;;
        --socket=*)
            socket=${words[i]#*=}
            ;;
        -s*)
            socket=${words[i]#-s}
            ;;
        --reply-timeout|--limit|--timeout|--listen|--format)
            ((i++))
            ;;
        --*|-[a-zA-Z])
            ;;
        *)
            given+=("${words[i]}")
            ;;
        esac
    done
    if ((i == ${#words[@]})); then
        case ${words[-2]} in
        --format)
            mapfile -t COMPREPLY < <(compgen -W "prometheus openmetrics" -- "$word")
            ;;
        -s|--socket|--listen)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            ;;
        esac
        return
    fi

    case $word in
    --socket=*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "${word#*=}")
        return
        ;;
    --format=*)
        candidates="--format=prometheus --format=openmetrics"
        ;;
    -s*)
        mapfile -t COMPREPLY < <(compgen -P -s -f -- "${word#-s}")
        return
        ;;
    -*)
        candidates="--socket --json --reply-timeout --help --version"
        case ${given[0]} in
        resize) candidates+=" --wait --timeout" ;;
        export) candidates="${candidates/--json } --listen --format" ;;
        esac
        ;;
    *)
        case ${#given[@]}:${given[0]} in
        0:) candidates="export list resize watch" ;;
        *:export)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        1:resize|1:watch) candidates=$(_vmemctl_ids "$socket") ;;
        2:resize) candidates="max" ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$word")
}

complete -F _vmemctl vmemctl
