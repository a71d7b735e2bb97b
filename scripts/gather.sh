#!/usr/bin/env bash
# Gathers the binaries of a build in one directory, as an installation has them, with the hooks
# replaced by their static versions.
#
#   scripts/gather.sh [dev|release]   gathers, prints the directory
#   scripts/gather.sh --where         prints the directory only
set -euo pipefail

# cargo knows best where its output is: a variable, a configuration file, or `target`.
metadata=$(cargo metadata --no-deps --format-version 1)
target=$(sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p' <<<"$metadata")
gathered=$target/wharf/bin
if [ "${1:-}" = --where ]; then
  printf '%s\n' "$gathered"
  exit
fi

case ${1:-dev} in
  dev) built=$target/debug ;;
  release) built=$target/release ;;
  *)
    echo "gather.sh: no such profile: $1" >&2
    exit 2
    ;;
esac

arch=$(uname -m)
hooks=
for kind in musl gnu; do
  if [ -x "$target/$arch-unknown-linux-$kind/hooks/wharf-pre-receive" ]; then
    hooks=$target/$arch-unknown-linux-$kind/hooks
    break
  fi
done
if [ -z "$hooks" ]; then
  echo "gather.sh: the static hooks are not built; run 'make build'" >&2
  exit 1
fi

# Copies by rename: a program that runs right now keeps its old file.
put() {
  cp "$1/$2" "$gathered/.$2.new"
  mv "$gathered/.$2.new" "$gathered/$2"
}

mkdir -p "$gathered"
for name in wharf wharf-shell wharfd wharf-keeper wharf-router wharf-helper; do
  put "$built" "$name"
done
for name in wharf-pre-receive wharf-proc-receive wharf-post-receive; do
  put "$hooks" "$name"
done
printf '%s\n' "$gathered"
