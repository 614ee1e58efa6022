#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The whole user space of the test guest: a shell on the console (console=ttyS0), and
# an agent (vm.agent=ttyS1) that runs the command lines the harness sends
# (python/vmtest/vm.py).
# What the guest had before the driver was loaded is kept in /run/boot, so that
# a change of memory can be told exactly, whatever the kernel keeps for itself.

/bin/busybox mkdir -p /proc /sys /dev /run/boot /tmp /bin
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='guest# '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

# word NAME: what NAME= is on the kernel's command line.
word() { tr ' ' '\n' < /proc/cmdline | sed -n "s/^$1=//p" | tail -n 1; }
console=/dev/$(word console | cut -d , -f 1)
agent=/dev/$(word vm.agent)

cat /proc/meminfo > /run/boot/meminfo
for node in /sys/devices/system/node/node[0-9]*; do
    cat "$node/meminfo" > "/run/boot/${node##*/}"
done

# One command: load what the image carries, in the order it was packed.
cat > /bin/load-driver <<'LOAD'
#!/bin/sh
for file in /modules/*.ko; do
    name=$(basename "$file" .ko | sed 's/^[0-9]*-//; s/-/_/g')
    test -e "/sys/module/$name" && continue
    insmod "$file" || exit 1
done
LOAD
chmod +x /bin/load-driver
case " $(cat /proc/cmdline) " in
    *" vm.nodriver "*) ;;
    *) load-driver ;;
esac

# vm.poweroff=SIZE: end as soon as there is so much more memory (in KiB).
more=$(word vm.poweroff)
if [ -n "$more" ]; then
    total() { awk '$1 == "MemTotal:" { print $2 }' "$1"; }
    until [ "$(total /proc/meminfo)" -ge $(($(total /run/boot/meminfo) + more)) ]
    do
        sleep 0.1
    done
    cat /proc/meminfo
    poweroff -f
fi

# The agent. A line "ID COMMAND" is answered by the command's output and then,
# on a line of its own, "@done ID STATUS". "@ready" tells the harness that the
# guest has (re)started and that earlier commands will not be answered.
agent() {
    stty raw -echo
    printf '\n@ready\n'
    while :; do
        read -r id command || continue
        sh -c "$command" < /dev/null 2>&1
        printf '\n@done %s %s\n' "$id" "$?"
    done
}
test -c "$agent" && agent < "$agent" > "$agent" &

# The console is not a background job: those ignore Ctrl-C.
echo 'guest ready' > "$console"
case " $(cat /proc/cmdline) " in
    *" vm.probe "*) poweroff -f ;;
esac
while :; do
    setsid -c sh < "$console" > "$console" 2>&1
done
