#!/usr/bin/env bash
# Makes the tree of a Debian 12 with systemd, for tests that boot it, and prints where it is. Made
# once: some minutes with a slow network, half a gigabyte in the user's cache.
set -euo pipefail

tree=${WHARF_MACHINE:-${XDG_CACHE_HOME:-$HOME/.cache}/wharf/bookworm}
packages=systemd,systemd-sysv,dbus,git,openssh-server,bubblewrap,python3,curl,ca-certificates

if [ "$(id -u)" -ne 0 ]; then
  echo "machine.sh: only root can boot a machine; run it with sudo" >&2
  exit 1
fi
if [ ! -e "$tree/.complete" ]; then
  missing=()
  command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  if [ ${#missing[@]} -gt 0 ]; then
    echo "machine.sh: running: apt-get install ${missing[*]}" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
  fi
  echo "machine.sh: making $tree" >&2
  rm -rf "$tree.new"
  mkdir -p "$(dirname "$tree")"
  debootstrap --variant=minbase --include="$packages" bookworm "$tree.new" >&2
  touch "$tree.new/.complete"
  rm -rf "$tree"
  mv "$tree.new" "$tree"
fi
printf '%s\n' "$tree"
