# Run once in the booted machine, before it is saved as the layer `ready`: the source pool with a few small datasets.
udevadm settle
modprobe zfs
zpool create -f -o ashift=12 -o autotrim=off -O compression=lz4 -O atime=off -O mountpoint=/tank \
  tank /dev/disk/by-id/virtio-tank
zfs create tank/home
zfs create tank/home/anna
zfs create tank/home/ben
zfs create tank/docs
zfs create -o recordsize=1M tank/photos
zfs create tank/scratch

for number in $(seq -w 1 12); do head -c 1M /dev/urandom > "/tank/photos/IMG_00$number.jpg"; done
for number in $(seq -w 1 40); do printf 'Letter %s\n\nDear Sir or Madam,\n' "$number" > "/tank/docs/letter $number.txt"; done
mkdir -p /tank/home/anna/Music '/tank/home/ben/Größe und Maß'
head -c 4M /dev/urandom > /tank/home/anna/Music/song.flac
printf 'hello\n' > '/tank/home/ben/Größe und Maß/Notiz.txt'
head -c 2M /dev/urandom > /tank/home/ben/archive.tar
head -c 1M /dev/urandom > /tank/scratch/not-wanted.bin
printf 'root of the pool\n' > /tank/readme.txt
zpool sync tank

# zed watches as on any machine, but the scripts that start a shell for every event of ZFS took more of an emulated
# processor than ZFS itself.
rm -f /etc/zfs/zed.d/all-*.sh /etc/zfs/zed.d/history_event-*.sh
systemctl restart zfs-zed

# The first start of a program is the slow one: let it be now and not in a scenario.
zpool list > /dev/null; zfs list > /dev/null; udevadm info --export-db > /dev/null
systemctl start udisks2.service
node --version
systemctl is-system-running --wait || systemctl --failed --no-legend
udevadm settle
journalctl --rotate --vacuum-time=1s --quiet
sync
echo 1 > /proc/sys/vm/drop_caches
