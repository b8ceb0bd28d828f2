#!/bin/sh
# boot.sh DIR UNITS - runs systemd as process 1 of the namespaces that the caller made for mounts, processes and cgroups.
#
# Its root is DIR/root, which has the programs of this machine, /usr/bin/chat from DIR/chat, the units in UNITS, and nothing
# else.
set -eu
dir=$1 units=$2
root=$dir/root

mount --make-rprivate /
mkdir -p "$root"
mount -t tmpfs tmpfs "$root"
cd "$root"
for d in bin sbin lib lib64; do
  if [ -L "/$d" ]; then cp -a "/$d" .; elif [ -d "/$d" ]; then mkdir "$d"; mount --rbind "/$d" "$d"; fi
done
mkdir -p usr etc/systemd/system etc/default var/lib var/log run tmp proc sys dev root test upper work
mount --rbind /usr usr
mount -t overlay -o "lowerdir=/usr/bin,upperdir=$root/upper,workdir=$root/work" overlay usr/bin
cp "$dir/chat" usr/bin/chat
cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache etc/
echo 0123456789abcdef0123456789abcdef >etc/machine-id
ln -s ../run var/run
mount --bind "$dir" test
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs dev
mount -t cgroup2 cgroup sys/fs/cgroup
for n in null zero full random urandom tty; do
  : >"dev/$n"
  mount --bind "/dev/$n" "dev/$n"
done
ln -s /proc/self/fd dev/fd
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx

cp "$units"/chat*.service "$units"/chat.socket etc/systemd/system/
cat >etc/systemd/system/test.target <<END
[Unit]
Description=Nothing but what the test starts
DefaultDependencies=no
AllowIsolate=yes
END
# What the test does not need, and what would touch the machine.
for unit in systemd-modprobe@.service modprobe@.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount sys-fs-fuse-connections.mount systemd-udevd.service systemd-sysctl.service systemd-binfmt.service; do
  ln -s /dev/null "etc/systemd/system/$unit"
done

mkdir old
pivot_root . old
umount -l /old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=test.target --log-target=journal --show-status=no
