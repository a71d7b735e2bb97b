#!/usr/bin/env bash
# Shows Wharf from nothing: an application is pushed, broken, mended and rolled back.
#
# Unattended; exits non-zero as soon as anything is not as it should be. All of it happens in one
# temporary directory, which is removed at the end together with every process that was started.
# Uses the programs in $WHARF_BIN, or those that `make build` gathered.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
bin=${WHARF_BIN:-$("$top/scripts/gather.sh" --where)}
[ -x "$bin/wharf" ] || {
  echo "demo: no programs in $bin; run 'make build' first" >&2
  exit 1
}

# Short, for it becomes part of the path of Unix sockets, which may have 107 bytes.
world=$(mktemp -d "${TMPDIR:-/tmp}/wharf-demo.XXXXXX")
export WHARF_HOME=$world/wharf
export TMPDIR=$world/tmp
export PATH=$bin:$PATH
# Nothing of the caller's own git takes part.
export HOME=$world/home GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.com
export GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.com
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_CONFIG_GLOBAL XDG_CONFIG_HOME 2>/dev/null || true

leave() {
  status=$?
  trap - EXIT INT TERM HUP
  if [ "$status" -ne 0 ]; then
    printf '\ndemo: FAILED (exit %s)\n' "$status" >&2
    # Whatever the daemon and the router had to say about it.
    find "$WHARF_HOME" -maxdepth 2 -name '*.log' -type f -exec tail -n 30 {} + >&2 || true
  fi
  # Stops applications, router and daemon of this WHARF_HOME, and no other.
  if ! wharfd stop >"$world/stop.log" 2>&1 && [ -e "$WHARF_HOME/run/wharfd.sock" ]; then
    cat "$world/stop.log" >&2
    status=1
  fi
  cd /
  # What a build froze is read-only.
  chmod -R u+w "$world" 2>/dev/null || true
  rm -rf "$world"
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$(tput bold 2>/dev/null || true) plain=$(tput sgr0 2>/dev/null || true)
else
  bold='' plain=''
fi
step() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
fail() {
  printf '\ndemo: %s\n' "$*" >&2
  exit 1
}

# Prints a command as one would type it, runs it, shows what it says as it says it, and keeps that
# in $said. A file and not a pipe: nothing that the command leaves running can hold it open.
said=
run() {
  printf '%s$ %s%s\n' "$bold" "$*" "$plain"
  local status=0 pid
  : >"$world/said"
  "$@" >>"$world/said" 2>&1 </dev/null &
  pid=$!
  tail -n +1 -f -s 0.1 --pid="$pid" "$world/said"
  wait "$pid" || status=$?
  said=$(<"$world/said")
  return "$status"
}
expect() {
  [[ $said == *"$1"* ]] || fail "the answer does not hold '$1'"
}

commit() {
  git add --all
  git commit --quiet --message "$1"
}

# --- what the demo needs on this machine, said before anything is made

for program in git curl python3 bwrap; do
  command -v "$program" >/dev/null || fail "no $program here; run 'make setup'"
done
mkdir -p "$HOME" "$TMPDIR" "$WHARF_HOME/config" "$world/counter"
# Port 7080 may be taken; port 0 takes any free one.
printf '[router]\nlisten = "127.0.0.1:0"\n' >"$WHARF_HOME/config/wharfd.toml"
cp -R "$top/examples/counter/." "$world/counter/"
cd "$world/counter"
rm -rf data
git init --quiet --initial-branch=main
commit "Version 1"

step "An application: a visitor counter with its data in SQLite"
run ls
run cat wharf.toml

step "Make this machine its host: a bare repository with hooks, and a remote"
run wharf init

step "Push version 1"
run git push wharf main
expect 'success:'

step "Look at it"
url=$(wharf url)
run curl --silent --show-error --fail "$url"
expect 'version 1: visit 1'

step "Break it: version 2 stops with an error before it listens"
echo "version 2" >version.txt
sed -i 's/^    print(f"{VERSION} listens.*/    raise RuntimeError("version 2 forgot its harbour")/' app.py
run git diff --unified=0 -- app.py
commit "Version 2, broken"
run git push wharf main || true # the push is accepted; what its deployment came to is said in its output
expect 'error:'
expect 'version 2 forgot its harbour'
expect 'still serves r1'

step "Visitors did not notice"
run curl --silent --show-error --fail "$url"
expect 'version 1: visit 2'

step "Mend it: version 3"
git checkout --quiet HEAD~1 -- app.py
echo "version 3" >version.txt
commit "Version 3"
run git push wharf main
expect 'success:'
run curl --silent --show-error --fail "$url"
expect 'version 3: visit 3'

step "Go back to the last good release; the data stays"
run wharf rollback
run curl --silent --show-error --fail "$url"
expect 'version 1: visit 4'

step "What happened"
run wharf releases
run wharf activities
run wharf log

cat <<END

${bold}That was all of it.${plain} To go on by hand, with your own application in a git work tree:

  export PATH=$bin:\$PATH
  wharf init             # once: makes the repository, starts wharfd, adds the remote
  git push wharf main    # each time
  wharf url              # where it answers

Next: README.md, docs/developer.md and examples/. The demo removes its own traces now.
END
