#!/usr/bin/env bash
# Makes what a virtual machine boots, the Debian of machine.sh with a kernel of its own, and prints where
# it is: `root.ext4`, `vmlinuz`, and the `key` that may log in. Made once: a minute besides machine.sh's,
# and a gigabyte in the user's cache.
set -euo pipefail

made=${WHARF_VM:-${XDG_CACHE_HOME:-$HOME/.cache}/wharf/vm}

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
command -v ssh >/dev/null || missing+=(openssh-client)
if [ ${#missing[@]} -gt 0 ]; then
  echo "vm.sh: running: apt-get install ${missing[*]}" >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi
if [ -e "$made/.complete" ]; then
  printf '%s\n' "$made"
  exit
fi

machine=$("$(dirname "$0")/machine.sh")
echo "vm.sh: making $made" >&2
rm -rf "$made.new"
mkdir -p "$made.new"
tree=$made.new/tree
cp --archive --reflink=auto "$machine" "$tree"

# The kernel has NVMe and ext4 built in, so it needs no initramfs; the rest are modules that udev loads.
chroot "$tree" env DEBIAN_FRONTEND=noninteractive INITRD=No sh -ec '
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends linux-image-cloud-amd64
  apt-get clean
  rm -rf /var/lib/apt/lists/*' >&2
cp "$tree"/boot/vmlinuz-* "$made.new/vmlinuz"

# Where the tests come in. The address is what qemu gives its first guest.
ssh-keygen -q -t ed25519 -N '' -C wharf-tests -f "$made.new/key"
install -D --mode=600 "$made.new/key.pub" "$tree/root/.ssh/authorized_keys"
cat >"$tree/etc/systemd/network/tests.network" <<END
[Match]
Name=eth0
[Network]
Address=10.0.2.15/24
END
# The disks: what the tests bring along, and the state, whose quotas are counted by project.
cat >"$tree/etc/fstab" <<END
/dev/nvme0n1 / ext4 defaults 0 0
/dev/nvme0n2 /wharf ext4 ro 0 0
/dev/nvme0n3 /var/lib/wharf ext4 prjquota 0 0
END
mkdir -p "$tree/wharf" "$tree/var/lib/wharf"
chroot "$tree" systemctl --quiet enable systemd-networkd
# What a machine of some minutes does not need, and an emulated one waits for.
chroot "$tree" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service serial-getty@ttyS0.service \
  systemd-networkd-wait-online.service

mkfs.ext4 -q -L root -d "$tree" "$made.new/root.ext4" 3G
rm -rf "$tree"
touch "$made.new/.complete"
rm -rf "$made"
mv "$made.new" "$made"
printf '%s\n' "$made"
