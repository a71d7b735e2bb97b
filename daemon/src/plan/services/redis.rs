//! Redis, and Valkey, which took over from it: reached through its socket only; what it is told is written
//! to a log that it syncs each second.

use wharf_config::application::ServiceKind;
use wharf_config::name::ProcessName;

use super::{
    APP, Command, Content, Load, Passwords, RUN, Recipe, Relationship, SERVE, SETUP, SETUP_TEXT,
    Setting, Start, directory,
};

/// Has a server read what `--rdb` wrote, and write its log from that: with a log, no server looks at such a file.
const LOAD: &str = "set -e; umask 077; cat >/app/dump.rdb; client=$2; left=6000; \
                    \"$1\" --port 0 --unixsocket /tmp/load.sock --dir /app --save '' --appendonly no \
                    --logfile /tmp/load.log & pid=$!; \
                    ask() { \"$client\" -s /tmp/load.sock \"$@\"; }; \
                    fail() { cat /tmp/load.log >&2; exit 1; }; \
                    wait_for() { until \"$@\"; do left=$((left - 1)); \
                    [ $left -gt 0 ] && kill -0 $pid 2>/dev/null || fail; sleep 0.05; done; }; \
                    answers() { [ \"$(ask ping 2>/dev/null)\" = PONG ]; }; \
                    written() { ask info persistence | tr -d '\\r' >/tmp/info; \
                    ! grep -qx aof_last_bgrewrite_status:err /tmp/info || left=0; \
                    grep -c -e '^aof_rewrite_in_progress:0$' -e '^aof_rewrite_scheduled:0$' \
                    -e '^aof_last_bgrewrite_status:ok$' /tmp/info | grep -qx 3; }; \
                    wait_for answers; [ \"$(ask config set appendonly yes)\" = OK ] || fail; wait_for written; \
                    ask shutdown nosave || :; wait $pid || :; rm /app/dump.rdb";

fn socket(name: &ProcessName) -> String {
    format!("{}/redis.sock", directory(name))
}

pub(super) fn relationship(name: &ProcessName, passwords: &Passwords) -> Relationship {
    Relationship::socket("unix", socket(name), Some(&passwords.application))
}

pub(super) fn recipe(setting: &Setting<'_>) -> Recipe {
    let socket = socket(setting.name);
    let client = match setting.service.kind {
        ServiceKind::Valkey => "valkey-cli",
        _ => "redis-cli",
    };
    let password = |command: Command| command.with("REDISCLI_AUTH", &setting.passwords.application);
    let ask = |words: &[&str]| {
        let all = [client, "-s", &socket]
            .into_iter()
            .chain(words.iter().copied());
        password(Command::new(RUN, all))
    };
    Recipe {
        make: None,
        start: Start::Server(
            Command::new(SERVE, [&setting.program(), SETUP])
                .with(SETUP_TEXT, settings(setting, &socket)),
        ),
        ready: Some(password(Command::new(
            // It answers, with a status of 0, also that it is loading.
            "[ \"$(\"$@\")\" = PONG ]",
            [client, "-s", &socket, "ping"],
        ))),
        upgrade: None,
        content: Some(Content {
            // Behind its end stands the word that ended the transfer, which no server reads.
            dump: ask(&["--rdb", "-"]),
            load: Load::Files(Command::new(LOAD, [&setting.program(), client])),
            shell: Some(ask(&[])),
            count: Some(password(Command::new(
                "printf 'keys\\t'; exec \"$@\"",
                [client, "-s", &socket, "dbsize"],
            ))),
        }),
    }
}

fn settings(setting: &Setting<'_>, socket: &str) -> String {
    let mut lines = vec![
        "port 0".to_owned(),
        format!("unixsocket {socket}"),
        "unixsocketperm 700".to_owned(),
        format!("dir {APP}"),
        format!("requirepass {}", setting.passwords.application),
        "appendonly yes".to_owned(),
        "appendfsync everysec".to_owned(),
        // A dump comes the way a replica's copy does, for which it would wait 5 s lest others want it, too.
        "repl-diskless-sync-delay 0".to_owned(),
    ];
    // A quarter is left for what it copies while it writes its log anew.
    let memory = setting.service.memory;
    lines.extend(memory.map(|bytes| format!("maxmemory {}", bytes / 4 * 3)));
    lines.join("\n")
}
