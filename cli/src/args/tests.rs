use std::collections::BTreeSet;

use super::*;

fn read(line: &str) -> Result<Wharf, clap::Error> {
    parse(line.split(' ').map(OsString::from))
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn every_visible_command_stands_in_one_section() {
    let mut listed: Vec<_> = SECTIONS
        .iter()
        .flat_map(|(_, names)| names.to_vec())
        .collect();
    let command = Wharf::command();
    let mut visible: Vec<_> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .map(|sub| sub.get_name())
        .collect();
    listed.sort_unstable();
    visible.sort_unstable();
    assert_eq!(listed, visible);
}

#[test]
fn every_command_is_read() {
    for line in [
        "wharf init shop",
        "wharf project add shop shop.git",
        "wharf --repository=x hook install shop.git",
        "wharf key add alice - -p shop",
        "wharf key remove alice",
        "wharf check dir --json",
        "wharf cleanup --dry-run --json",
        "wharf completions bash",
        "wharf man dir",
    ] {
        read(line).unwrap();
    }
}

#[test]
fn help_reads_well() {
    insta::assert_snapshot!(command().term_width(80).render_help());
}

#[test]
fn releases_are_read_with_and_without_their_r() {
    for (line, release) in [("wharf rollback r41", 41), ("wharf rollback 7", 7)] {
        let Command::Rollback { release: found } = read(line).unwrap().command else {
            panic!("{line}");
        };
        assert_eq!(found, Some(release));
    }
    for line in [
        "wharf rollback r0",
        "wharf rollback rr1",
        "wharf rollback x",
    ] {
        assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn a_timeout_is_a_time() {
    for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400)] {
        assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "10", "0s", "-1m", "8d", "soon"] {
        assert!(time(text).is_err(), "{text}");
    }
}

#[test]
fn json_is_refused_where_there_is_none() {
    assert!(read("wharf --json status").is_ok());
    assert!(read("wharf releases --json").is_ok());
    assert!(read("wharf redeploy --json").is_ok());
    assert!(read("wharf info --title x --json").is_ok());
    assert_eq!(read("wharf reload --json").unwrap_err().exit_code(), 2);
    assert_eq!(read("wharf log --raw --json").unwrap_err().exit_code(), 2);
}

#[test]
fn a_command_s_words_stay_its_own() {
    let wharf = read("wharf run -e x php --json -v -p --help").unwrap();
    assert!(!wharf.global.json && wharf.global.project.is_none());
    let Command::Run { command } = wharf.command else {
        panic!("another command");
    };
    assert_eq!(command, ["php", "--json", "-v", "-p", "--help"]);
    for line in ["wharf run", "wharf run --json ls", "wharf shell --json"] {
        assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn a_value_is_never_sent_among_the_words() {
    let set = read("wharf variable set A s3cret --secret")
        .unwrap()
        .command;
    let words = set.remote_words().unwrap();
    assert_eq!(words, ["variable", "set", "--secret", "--", "A", "-"]);
    // A type is named where one is meant.
    let line = "wharf variable list --level type";
    assert_eq!(read(line).unwrap_err().exit_code(), 2);
}

/// Command lines that make sense over ssh.
const SENT: [&str; 74] = [
    "wharf status",
    "wharf db dump database",
    "wharf db import -",
    "wharf db import database -",
    "wharf db shell",
    "wharf data reset",
    "wharf activities -n 3",
    "wharf log 4f2a -f",
    "wharf log --app",
    "wharf rollback r3",
    "wharf redeploy --rebuild",
    "wharf cancel 4f2a",
    "wharf activate",
    "wharf deactivate -e cart",
    "wharf pause",
    "wharf resume",
    "wharf activity list -n 3",
    "wharf activity show 4f2a",
    "wharf activity wait 4f2a",
    "wharf activity wait 4f2a --timeout 10m",
    "wharf activity log 4f2a -f",
    "wharf activity cancel 4f2a",
    "wharf project list",
    "wharf branch x",
    "wharf branch x y --title=-t --no-data",
    "wharf merge",
    "wharf promote",
    "wharf sync code",
    "wharf sync data",
    "wharf delete",
    "wharf delete --with-children",
    "wharf info",
    "wharf info --title=-x --parent=y",
    "wharf variable list --type staging",
    "wharf variable get A --level project",
    "wharf variable:set --visible run --secret --inheritable --as-json A -",
    "wharf variable delete -e x A",
    "wharf config diff a b",
    "wharf config:dump",
    "wharf crons",
    "wharf crons run sweep -e x",
    "wharf cron:list",
    "wharf slugs",
    "wharf slug why",
    "wharf slug export",
    "wharf slug export 51ab0c -e x",
    "wharf slug:export r3",
    "wharf slug import -p shop",
    "wharf slug:why --release r3 -e x",
    "wharf mount list",
    "wharf mount size -e x",
    "wharf mount:size var/x",
    "wharf mount download var --output -",
    "wharf mount upload - var --delete --dry-run",
    "wharf mount:upload - var/x --file x",
    "wharf run ls -l --json -e x -- y",
    "wharf run -e x -- -p",
    "wharf shell",
    "wharf environment:ssh",
    "wharf environment:synchronize code",
    "wharf activity:get 4f2a",
    "wharf activity:approve 4f2a",
    "wharf environments",
    "wharf url --grant 1h",
    "wharf releases",
    "wharf deploy --commit 4f2a",
    "wharf approve 4f2a --now",
    "wharf seed -e x",
    "wharf snapshot create --title x",
    "wharf snapshot list",
    "wharf snapshot restore 4f2a -e x --with-release",
    "wharf snapshot delete 4f2a",
    "wharf maintenance on",
    "wharf maintenance:off",
];

#[test]
fn what_is_sent_over_ssh_means_the_same_there() {
    for line in SENT {
        let command = read(line).unwrap().command;
        let words = command.remote_words().unwrap();
        let there = parse(
            std::iter::once("wharf".to_owned())
                .chain(words)
                .map(OsString::from),
        );
        assert_eq!(
            format!("{command:?}"),
            format!("{:?}", there.unwrap().command)
        );
    }
    for line in [
        "wharf key list",
        "wharf check",
        "wharf doctor",
        "wharf hook status x",
    ] {
        assert!(
            read(line).unwrap().command.remote_words().is_none(),
            "{line}"
        );
    }
}

#[test]
fn whoever_asks_from_elsewhere_is_told_all_that_can_be_asked() {
    let told: BTreeSet<&str> = from_elsewhere().flatten().copied().collect();
    let sent = SENT.map(|line| line.split(' ').nth(1).unwrap_or_default());
    let plain = sent.into_iter().filter(|name| !name.contains(':'));
    let sent: BTreeSet<&str> = plain.filter(|name| *name != "project").collect();
    assert_eq!(told, sent, "each that is told is tried above");
}
