#!/usr/bin/env bash
# Makes the tree of a Debian 12 with systemd, for tests that boot it, and prints where it is. Made
# once: some minutes with a slow network, half a gigabyte in the user's cache.
#
# `machine.sh tools` makes one for `make test-booted-tools`, with the large tools besides: two gigabytes.
#
# A tree is named after what is in it, and never changed once it is there: machines may run from it.
set -euo pipefail

packages=systemd,systemd-sysv,dbus,git,openssh-server,bubblewrap,python3,curl,ca-certificates,strace
packages+=,mariadb-server-core,mariadb-client-core,mariadb-client,restic
tools=(nodejs npm python3-pip python3-venv composer php-cli cargo librust-itoa-dev
  chromium)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wharf

die() {
  printf 'machine.sh: %s\n' "$*" >&2
  exit 1
}

# Where the tree with these packages is.
place() { printf '%s/bookworm-%s\n' "$cache" "$(printf '%s' "$*" | cksum | cut -d' ' -f1)"; }

# Runs the function that fills a directory, and gives that its name once it is whole.
make_tree() {
  local tree=$1 fill=$2
  printf 'machine.sh: making %s\n' "$tree" >&2
  rm -rf "$tree.new"
  mkdir -p "$cache"
  "$fill" "$tree.new" >&2
  mv "$tree.new" "$tree"
}

install_makers() {
  local missing=()
  command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  [ ${#missing[@]} -gt 0 ] || return 0
  printf 'machine.sh: running: apt-get install %s\n' "${missing[*]}" >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

fill_base() { debootstrap --variant=minbase --include="$packages" bookworm "$1"; }

# The base, and what apt adds to it; nothing is started, since a change root has no systemd.
fill_tools() {
  cp -a --reflink=auto "$base" "$1"
  local install="apt-get update -qq && apt-get install -y -qq --no-install-recommends ${tools[*]}"
  cp -L /etc/resolv.conf "$1/etc/resolv.conf"
  chroot "$1" env DEBIAN_FRONTEND=noninteractive sh -c "$install && apt-get clean"
}

[ "$(id -u)" -eq 0 ] || die "only root can boot a machine; run it with sudo"
case ${1-} in
  '' | tools) ;;
  *) die "there is no tree '$1': scripts/machine.sh, or scripts/machine.sh tools" ;;
esac
base=${WHARF_MACHINE:-$(place "$packages")}
if [ ! -e "$base" ]; then
  install_makers
  make_tree "$base" fill_base
fi
tree=$base
if [ "${1-}" = tools ]; then
  tree=$(place "$packages" "${tools[@]}")
  [ -e "$tree" ] || make_tree "$tree" fill_tools
fi
printf '%s\n' "$tree"
