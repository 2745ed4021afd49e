#!/bin/sh
# The slow half of the image: a Debian system with OpenZFS built for its kernel, as a tar archive.
# Usage: packages.sh MIRROR SUITE OUT.tar    (root, or an unprivileged user where user namespaces work)
set -eu
mirror=$1 suite=$2 out=$3

packages="systemd,systemd-sysv,udev,dbus,kmod,initramfs-tools,linux-image-amd64,linux-headers-amd64,\
zfs-dkms,zfsutils-linux,zfs-zed,nodejs,udisks2,util-linux,bsdutils,procps,psmisc,iproute2,acl,attr,file,lsof,\
cryptsetup-bin,fdisk,usbutils,strace,less,xz-utils,zstd"

# The chroot builds the module natively; what only the build needed is purged again, so the module is copied to where
# the purge of zfs-dkms does not look.
DEBIAN_FRONTEND=noninteractive mmdebstrap --variant=minbase --components=main,contrib --include="$packages" \
  --aptopt='Acquire::Retries "5"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" && printf "MODULES=list\nCOMPRESS=gzip\n" > "$1/etc/initramfs-tools/conf.d/machine" && printf "virtio_pci\nvirtio_blk\next4\n" > "$1/etc/initramfs-tools/modules"' \
  --customize-hook='chroot "$1" sh -eux -c "
    kernel=\$(ls /lib/modules | sort -V | tail -n 1)
    test -n \"\$(find /lib/modules/\$kernel -name \"zfs.ko*\")\" || dkms autoinstall -k \$kernel
    mkdir -p /lib/modules/\$kernel/extra
    cp -a /lib/modules/\$kernel/updates/dkms/. /lib/modules/\$kernel/extra/
    apt-get -y purge zfs-dkms dkms linux-headers-amd64
    apt-get -y autoremove --purge
    for dir in drivers/gpu drivers/media drivers/net/wireless drivers/net/ethernet drivers/infiniband drivers/isdn drivers/staging drivers/iio sound net/wireless net/mac80211 net/bluetooth; do
      rm -rf /lib/modules/\$kernel/kernel/\$dir
    done
    rm -rf /usr/src/linux-* /var/lib/apt/lists/* /var/cache/apt/*.bin
    depmod \$kernel
    modinfo -k \$kernel zfs | head -n 4
    update-initramfs -u -k \$kernel
  "' \
  "$suite" "$out" "$mirror"
