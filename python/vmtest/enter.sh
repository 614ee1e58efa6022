#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# enter.sh [-f] ROOT COMMAND [DIRECTORY PLACE]...
#
# Run a shell command on the machine that is unpacked in ROOT, with directories of
# this one at places there. Called in mount and process namespaces of its own
# (unshare): whatever is mounted or started here ends with it, however it ends.
# -f: forget what is written to ROOT.
set -e
forget=
if [ "$1" = -f ]; then
    forget=yes
    shift
fi
root=$1
command=$2
shift 2

if [ "$forget" ]; then
    mount -t tmpfs tmpfs "$root/mnt"
    mkdir "$root/mnt/written" "$root/mnt/work"
    mount -t overlay overlay "$root" -o \
        "lowerdir=$root,upperdir=$root/mnt/written,workdir=$root/mnt/work"
fi
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"

while [ $# -gt 1 ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    shift 2
done

exec chroot "$root" env -i HOME=/root TERM=xterm \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c "$command"
