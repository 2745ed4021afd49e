#!/bin/sh
# The slow half of the image: a Debian system with OpenZFS built for its kernel, as a tar archive.
# Usage: packages.sh MIRROR SUITE OUT.tar [BACKPORTS] [NODE]    (root, or a user where user namespaces work)
# BACKPORTS: the suite from which OpenZFS comes instead; NODE: a program, instead of Debian's. Either may be empty.
set -eu
mirror=$1 suite=$2 out=$3 backports=${4-} node=${5-}
here=$(dirname "$0")
export here node backports

packages="systemd,systemd-sysv,udev,dbus,kmod,initramfs-tools,linux-image-amd64,linux-headers-amd64,\
zfs-dkms,zfsutils-linux,zfs-zed,udisks2,util-linux,bsdutils,procps,psmisc,iproute2,acl,attr,file,lsof,\
cryptsetup-bin,fdisk,sg3-utils,usbutils,strace,less,xz-utils,zstd"
test -n "$node" || packages="$packages,nodejs"

only='mkdir -p "$1/etc/apt/preferences.d"
  test -z "$backports" || printf "Package: src:zfs-linux\nPin: release n=%s\nPin-Priority: 990\n" "$backports" \
    > "$1/etc/apt/preferences.d/machine"'

# A small initrd: what the machine boots from is known.
prepare='mkdir -p "$1/etc/initramfs-tools/conf.d"
  printf "MODULES=list\nCOMPRESS=gzip\n" > "$1/etc/initramfs-tools/conf.d/machine"
  printf "virtio_pci\nvirtio_blk\next4\n" > "$1/etc/initramfs-tools/modules"'

finish='set -e
  test -z "$node" || cp "$node" "$1/tmp/node"
  cp "$here/inside.sh" "$1/tmp/inside.sh"
  chroot "$1" sh -eux /tmp/inside.sh
  rm "$1/tmp/inside.sh"'

DEBIAN_FRONTEND=noninteractive mmdebstrap --variant=minbase --components=main,contrib --include="$packages" \
  --aptopt='Acquire::Retries "5"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --setup-hook="$only" --essential-hook="$prepare" --customize-hook="$finish" \
  "$suite" "$out" "$mirror" ${backports:+"deb $mirror $backports main contrib"}
