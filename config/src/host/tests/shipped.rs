//! The file that an installation brings is held to what the code knows.

use std::fs;

use super::*;

/// What a package puts at `/etc/wharf/wharfd.toml`.
const SHIPPED: &str = include_str!("../../../wharfd.toml");
/// Keys that have no default, or one that is this place's: the line is an example.
const EXAMPLES: [&str; 18] = [
    "domain",
    "identity.accounts",
    "mail.from",
    "metrics.listen",
    "notify",
    "operators",
    "previews",
    "projects",
    "router.proxies",
    "router.tls.certificates",
    "router.tls.listen",
    "services",
    "snapshots.credentials_file",
    "snapshots.identity_file",
    "snapshots.known_hosts_file",
    "snapshots.store",
    "traces.endpoint",
    "traces.headers_file",
];

/// The file with the `#` taken away from each of its keys.
fn uncommented() -> String {
    let lines = SHIPPED.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => key,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn settings(text: &str) -> Vec<Setting> {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(&place.config).unwrap();
    fs::write(place.host_file(), text).unwrap();
    let host = Host::load(&place).unwrap_or_else(|problems| panic!("{}", problems.render(100)));
    host.settings
}

#[test]
fn the_shipped_file_changes_nothing() {
    let settings = settings(SHIPPED);
    assert!(settings.iter().all(|setting| setting.from.is_none()));
}

#[test]
fn the_shipped_file_has_every_key_with_its_default() {
    let defaults = settings("");
    let said = settings(&uncommented());
    let key = |setting: &Setting| setting.key;
    for setting in &defaults {
        let Some(there) = said.iter().find(|one| key(one) == setting.key) else {
            panic!("{}: not said", setting.key);
        };
        // What is kept without a bound cannot be written down.
        let is_bound = !setting.value.starts_with("none");
        assert_eq!(
            there.from.is_some(),
            is_bound || EXAMPLES.contains(&setting.key),
            "{}",
            setting.key
        );
        if !EXAMPLES.contains(&setting.key) {
            assert_eq!(there.value, setting.value, "{}", setting.key);
        }
    }
}
