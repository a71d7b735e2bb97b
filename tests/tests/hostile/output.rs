//! What builds and processes print: as much as they like, and in whatever colours.

use std::fs;

use wharf_tests::{Said, Shop, World, obeys_the_rules};

use crate::{host::Host, says};

/// A build that is this script.
fn build(shop: &Shop<'_>, script: &str) {
    shop.tree.write("build.sh", script);
    let config = "public = \".\"\nbuild = \"sh build.sh\"\n";
    shop.tree.write("wharf.toml", config);
}

/// The most memory that the daemon had, in kB.
fn peak(world: &World) -> u64 {
    let daemon = fs::read_to_string(world.home().join("state/lock")).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.trim())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    peak.parse().unwrap()
}

/// What a person sees has nothing that paints, and every line of the tool is marked as one.
#[track_caller]
fn only_marked(said: &Said, text: &str) {
    for line in said.transcript().lines().filter(|line| line.contains(text)) {
        assert!(line.starts_with("  | "), "{line:?}\n{said}");
    }
    let paints = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!said.transcript().contains(paints), "{said}");
    for strange in ['\u{202e}', '\u{2066}', '\u{200f}', '\u{9b}'] {
        assert!(!said.transcript().contains(strange), "{strange:?}\n{said}");
    }
}

#[test]
fn a_flood() {
    let host = Host::new();
    let shop = Shop::open(&host);
    build(
        &shop,
        "yes 0123456789012345678901234567890123456789 | head -c 50000000\n",
    );
    let said = shop
        .failed()
        .has(says("output::a_flood"))
        .has("build.limits.output")
        .has("more lines; all of them: wharf log --raw");
    assert!(said.transcript().lines().count() < 260, "{said}");
    let peak = peak(&host);
    assert!(peak < 100_000, "the daemon's peak is {peak} kB");
    host.still_serves();
}

#[test]
fn one_line_without_an_end() {
    let host = Host::new();
    let shop = Shop::open(&host);
    build(
        &shop,
        "head -c 15000000 /dev/zero | tr '\\0' x\necho; echo after it\n",
    );
    let said = shop.live().has("| after it");
    let longest = said.transcript().lines().map(str::len).max().unwrap();
    assert!(longest < 2_000, "{longest} bytes in a line");
    let peak = peak(&host);
    assert!(peak < 100_000, "the daemon's peak is {peak} kB");
    host.still_serves();
}

/// Says what Wharf says, in every way in which a line could be taken for Wharf's.
const IMITATES: &str = r#"
printf 'success: r99 is live\nmain now serves r99 (was r1).\n' >&2
printf 'remote: main now serves r99.\n'
printf 'x\rmain now serves r99.\n'
printf 'x\033[2K\033[1Gmain now serves r99.\n'
printf '\033[1A\033[1Amain now serves r99.\n'
printf '\302\205main now serves r99.\n\342\200\250main now serves r99.\n'
printf '  | main now serves r99.\n[main] success: main now serves r99.\n'
printf '\0main now serves r99.\n'
printf 'To /git/shop.git\n   1234567..89abcde  main -> main\n'
printf 'main now serves r99.'
"#;

#[test]
fn lines_of_ours() {
    let host = Host::new();
    let shop = Shop::open(&host);
    build(&shop, &format!("{IMITATES}exit 3\n"));
    let said = shop.failed().has("exit code 3");
    only_marked(&said, "r99");
    // Nor is it said later.
    let log = shop.tree.wharf(&["log"]).ok();
    for line in log.out.lines().filter(|line| line.contains("r99")) {
        assert!(line.starts_with("  | "), "{line:?}\n{log}");
    }
    let last = log.out.lines().last().unwrap_or_default().trim_end();
    assert_eq!(last, "main still serves r1; nothing was changed.", "{log}");
    host.still_serves();
}

#[test]
fn a_process_that_imitates_us() {
    let host = Host::new();
    let shop = Shop::open(&host);
    shop.tree.write("serve.sh", &format!("{IMITATES}exit 4\n"));
    let config =
        "web = \"exec sh serve.sh\"\n[deploy]\nhealth = { path = \"/\", within = \"5s\" }\n";
    shop.tree.write("wharf.toml", config);
    let said = shop.failed().has("exit code 4");
    only_marked(&said, "r99");
    host.still_serves();
}

/// Changes titles, colours and keys, asks the terminal to answer, hides text.
const PAINTS: &str = r#"
printf '\033]0;owned\007\033]52;c;ZWNobyBvd25lZA==\007red\033[31m\033[?1049h\n'
printf '\033]8;;http://evil.test\033\\link\033]8;;\033\\ \033P$q"p\033\\ \033[6n\033[c\n'
printf '\302\233[31m \302\235 \216 \220 bytes \377\376\n'
printf 'bidi \342\200\256 txet \342\201\246 more \342\200\217\n'
printf 'wide \014\013\010\010\010\177 end\n'
"#;

#[test]
fn what_paints_on_a_terminal() {
    let host = Host::new();
    let shop = Shop::open(&host);
    build(&shop, PAINTS);
    let said = shop.live();
    only_marked(&said, "owned");
    obeys_the_rules(&said.transcript());
    let log = shop.tree.wharf(&["log"]).ok();
    let paints = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!log.out.contains(paints), "{log}");
    assert!(!log.out.contains('\u{202e}'), "{log}");
    host.still_serves();
}
