#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Make packages for the Debian that runs here: build/packages/*.deb. `make deb` calls it.
set -e
cd "$(dirname "$0")/.."
ours=$(cat VERSION)
qemu=$(cat build/qemu/src/VERSION)
# shellcheck source=/dev/null
. /etc/os-release
version=$ours+qemu$qemu-1~deb$VERSION_ID
date=$(git log -1 --format=%aD 2> /dev/null || date -R)
tree=build/packages/virtio-mem-qemu
rm -rf build/packages
mkdir -p "$tree"
cp -a packaging/debian "$tree"
cat > "$tree/debian/changelog" << END
virtio-mem-qemu ($version) $VERSION_CODENAME; urgency=medium

  * Version $ours of the device, laid over QEMU $qemu: see changelog.gz.

 -- $(sed -n 's/^Maintainer: //p' packaging/debian/control)  $date
END
cd "$tree"
DEB_BUILD_OPTIONS="noautodbgsym $DEB_BUILD_OPTIONS" dpkg-buildpackage -b -us -uc
