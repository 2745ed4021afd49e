#!/bin/sh
# The fast half of the image: the archive of packages.sh, our own files on top, and what is not wanted masked, as an
# ext4 file system. Usage: disk.sh ROOT.tar FILES OUTDIR; writes root.img, vmlinuz, initrd
# and what versions it has into OUTDIR.
set -eu
archive=$1 files=$2 out=$3
root=$out/root
mkdir "$root"
tar -C "$root" -xf "$archive"
cp -r --no-preserve=ownership "$files/." "$root/"

# What kept manuals out of the packages so far must not keep them out of the package under test.
rm -f "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/resolv.conf"

for unit in apt-daily.timer apt-daily-upgrade.timer man-db.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer \
  e2scrub_reap.service systemd-tmpfiles-clean.timer logrotate.timer serial-getty@ttyS0.service getty@tty1.service \
  console-getty.service systemd-pcrphase.service systemd-hwdb-update.service ldconfig.service \
  systemd-networkd-wait-online.service systemd-timesyncd.service systemd-growfs-root.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
for unit in machine-agent machine-journal; do
  ln -sf "/etc/systemd/system/$unit.service" "$root/etc/systemd/system/sysinit.target.wants/$unit.service"
done
: > "$root/etc/machine-id"
# The same number in every machine until a second machine is told to have another: see Machine.rename.
printf '\001\252\000\001' > "$root/etc/hostid"

cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
cp "$root"/boot/initrd.img-* "$out/initrd"
mv "$root/etc/machine-versions" "$out/versions"
mke2fs -q -t ext4 -O ^metadata_csum_seed -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$out/root.img" 6G
rm -rf "$root"
