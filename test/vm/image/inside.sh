# Run in the chroot of packages.sh when all packages are installed: keeps the built ZFS modules, removes what only the
# build needed.
kernel=$(ls /lib/modules | sort -V | tail -n 1)

test -n "$(find "/lib/modules/$kernel" -name 'zfs.ko*')" || dkms autoinstall -k "$kernel"
# Out of reach of the removal of zfs-dkms.
mkdir -p "/lib/modules/$kernel/extra"
cp -a "/lib/modules/$kernel/updates/dkms/." "/lib/modules/$kernel/extra/"

# Installs a package that is made here: its files are below /tmp/made, what is said of it comes from standard input.
install_made() {
  mkdir -p /tmp/made/DEBIAN
  { cat; printf 'Maintainer: nobody <nobody@localhost>\n'; } > /tmp/made/DEBIAN/control
  dpkg-deb --build /tmp/made /tmp/made.deb
  dpkg --install /tmp/made.deb
  rm -r /tmp/made /tmp/made.deb
}

# zfs-zed insists on a package that provides the modules.
install_made <<'CONTROL'
Package: machine-zfs-modules
Version: 1
Architecture: all
Provides: zfs-modules
Description: stands for the modules in /lib/modules/*/extra
CONTROL

# Another Node than Debian's, as people install it.
if test -e /tmp/node; then
  mkdir -p /tmp/made/usr/bin
  install -m 755 /tmp/node /tmp/made/usr/bin/node
  rm /tmp/node
  install_made <<CONTROL
Package: nodejs
Version: $(/tmp/made/usr/bin/node --version | tr -d v)-1
Architecture: $(dpkg --print-architecture)
Description: Node from npm
CONTROL
fi

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

# What the matrix of versions prints.
printf '%s\n' "Debian $(cat /etc/debian_version)" "Linux $kernel" "OpenZFS $(modinfo -k "$kernel" -F version zfs)" \
  "systemd $(dpkg-query --show --showformat '${Version}' systemd)" "Node $(node --version | tr -d v)" \
  > /etc/machine-versions
