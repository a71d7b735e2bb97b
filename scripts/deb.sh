#!/usr/bin/env bash
# Makes the Debian package of what `make release` built, and prints where it is; `--where` prints that alone. The
# same commit built by the same compiler makes the same bytes: no path and no time of this machine is in it.
set -euo pipefail

gathered=$(scripts/gather.sh --where)
target=${gathered%/wharf/bin}
version=$(sed -n 's/^wharf (\(.*\)) .*/\1/p' debian/changelog | head -n 1)
package=$target/wharf/wharf_${version}_$(dpkg --print-architecture).deb
if [ "${1:-}" = --where ]; then
  printf '%s\n' "$package"
  exit
fi

# Below `release`, which cargo-deb finds in whatever target directory it is.
stage=$target/release/package
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

umask 022
rm -rf "$stage"
make --silent install DESTDIR="$stage" PREFIX=/usr zshdir="$stage/usr/share/zsh/vendor-completions" >&2
install -D -m 644 debian/lintian-overrides "$stage/usr/share/lintian/overrides/wharf"
find "$stage/usr/share/man" -type f -exec gzip --best --no-name {} +

cargo deb --quiet --locked --no-build --no-strip -p wharf-cli --deb-version "$version" --output "$package" >&2
lintian --allow-root --fail-on error,warning "$package" >&2
printf '%s\n' "$package"
