#!/usr/bin/env bash
# Measures, and puts the table into docs/BENCHMARKS.md. Expects the programs in $WHARF_BIN.
set -euo pipefail
cd "$(dirname "$0")/.."

result=$(mktemp)
trap 'rm -f "$result"' EXIT
cargo bench --locked --quiet --package wharf-tests --bench peers | tee "$result"
cp "$result" docs/BENCHMARKS.md
