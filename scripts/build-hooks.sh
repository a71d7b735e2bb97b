#!/usr/bin/env bash
# Builds the hooks as small static programs: with musl where rustc has it, else with glibc.
set -euo pipefail

arch=$(uname -m)
if [ -d "$(rustc --print sysroot)/lib/rustlib/$arch-unknown-linux-musl" ]; then
  target=$arch-unknown-linux-musl
else
  target=$arch-unknown-linux-gnu
  # With --target the flag goes to the hooks only, not to the compiler's plug-ins.
  export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
fi
cargo build --locked -p wharf-hooks --bins --profile hooks --target "$target"
