# Run in the chroot of packages.sh when all packages are installed: keeps the built ZFS modules, removes what only the
# build needed.
kernel=$(ls /lib/modules | sort -V | tail -n 1)

test -n "$(find "/lib/modules/$kernel" -name 'zfs.ko*')" || dkms autoinstall -k "$kernel"
# Out of reach of the removal of zfs-dkms.
mkdir -p "/lib/modules/$kernel/extra"
cp -a "/lib/modules/$kernel/updates/dkms/." "/lib/modules/$kernel/extra/"

# zfs-zed insists on a package that provides the modules.
mkdir -p /tmp/modules/DEBIAN
cat > /tmp/modules/DEBIAN/control <<'CONTROL'
Package: machine-zfs-modules
Version: 1
Architecture: all
Maintainer: nobody <nobody@localhost>
Provides: zfs-modules
Description: stands for the modules in /lib/modules/*/extra
CONTROL
dpkg-deb --build /tmp/modules /tmp/modules.deb
dpkg --install /tmp/modules.deb
rm -r /tmp/modules /tmp/modules.deb

# The headers are named one by one: apt protects those of the newest kernel, and with them the compilers.
apt-get --yes --purge -o APT::AutoRemove::SuggestsImportant=0 -o APT::AutoRemove::RecommendsImportant=0 autoremove \
  dkms- zfs-dkms- $(dpkg-query --show --showformat '${Package}- ' 'linux-headers-*' 'linux-kbuild-*')

for folder in drivers/gpu drivers/media drivers/net/wireless drivers/net/ethernet drivers/infiniband drivers/isdn \
  drivers/staging drivers/iio sound net/wireless net/mac80211 net/bluetooth; do
  rm -rf "/lib/modules/$kernel/kernel/$folder"
done
rm -rf /usr/src/linux-* /var/lib/apt/lists/* /var/cache/apt/*.bin
depmod "$kernel"
update-initramfs -u -k "$kernel"

modinfo -k "$kernel" zfs
dpkg-query --show zfs-zed zfsutils-linux nodejs
! command -v gcc
