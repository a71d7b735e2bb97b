//! What every test here begins with: a project on a host, and somebody's work tree elsewhere.

use std::path::Path;

use wharf_tests::{Sshd, Tree, World, gits};

/// A site that is its files.
pub(crate) const PAGE: (&str, &str) = ("index.html", "one\n");
/// The configuration of a site that a shell builds.
pub(crate) const BUILT: (&str, &str) =
    ("wharf.toml", "public = \"out\"\nbuild = \"sh build.sh\"\n");

/// Tells a story once for each git of this machine: its own host, its own people.
pub(crate) fn on_every_git(files: &[(&str, &str)], story: impl Fn(&World, &Tree<'_>)) {
    for git in gits() {
        println!("with {}", git.display());
        with_git(&git, "", files, &story);
    }
}

/// The same on a host whose file has these lines.
pub(crate) fn on_every_git_where(
    host: &str,
    files: &[(&str, &str)],
    story: impl Fn(&World, &Tree<'_>),
) {
    for git in gits() {
        println!("with {}", git.display());
        with_git(&git, host, files, &story);
    }
}

/// The same with the git that comes first.
pub(crate) fn on_one_git_where(
    host: &str,
    files: &[(&str, &str)],
    story: impl Fn(&World, &Tree<'_>),
) {
    with_git(&gits()[0], host, files, story);
}

/// Tells a story with the git that comes first.
pub(crate) fn on_one_git(files: &[(&str, &str)], story: impl Fn(&World, &Tree<'_>)) {
    with_git(&gits()[0], "", files, story);
}

/// The same for a story that has to do with the connection, too.
pub(crate) fn on_one_git_with(
    files: &[(&str, &str)],
    story: impl Fn(&World, &Sshd<'_>, &Tree<'_>),
) {
    with_sshd(&gits()[0], "", files, story);
}

fn with_git(git: &Path, host: &str, files: &[(&str, &str)], story: impl Fn(&World, &Tree<'_>)) {
    with_sshd(git, host, files, |world, _, shop| story(world, shop));
}

fn with_sshd(
    git: &Path,
    host: &str,
    files: &[(&str, &str)],
    story: impl Fn(&World, &Sshd<'_>, &Tree<'_>),
) {
    let world = World::with_git_and(git, host);
    let sshd = Sshd::start(&world);
    let mut shop = world.site("shop", files);
    shop.init();
    let ada = sshd.admit("ada");
    sshd.give(&ada, &mut shop, "shop");
    story(&world, &sshd, &shop);
}

/// What differs from run to run, for snapshots.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (from, to) in [
        (r"(localhost|127\.0\.0\.1):\d+", "${1}:PORT"),
        (
            r"(push|check|cron|delete|redeploy|rollback|branch|merge|promote|sync|activate) [0-9a-f]{4,8}\b",
            "${1} ID",
        ),
        (r"wharf log [0-9a-f]{4,8}\b", "wharf log ID"),
        (r"slug( +)[0-9a-f]{6}\b", "slug${1}SLUG"),
        (r"superseded by [0-9a-f]{4,8}\b", "superseded by ID"),
        (r"(?m) +(total )?(\d+h )?(\d+m )?\d+(\.\d+)?s$", " ${1}TIME"),
        (r"\bin \d+ ms\b", "in TIME"),
        (r"(mariadb|redis) [\d.]+ answers", "${1} VERSION answers"),
        (r"\bwas on for [\d.]+m?s\b", "was on for TIME"),
        (r"\b[0-9a-f]{7}\b", "COMMIT"),
        // What stands in tables.
        (r"\b\d+s ago|just now", "AGO"),
        (r"\bAGO (\d+m ?)?\d+(\.\d+)?m?s\b", "AGO TIME"),
        (r"(?m)^[0-9a-f]{4,8} shop/", "ID shop/"),
        (r"\b[0-9a-f]{6} [0-9a-f]{4,8} ([0-9a-f]{8}) ", "SLUG ID $1 "),
        (r"\bpid \d+", "pid PID"),
        (r"/tmp/w\.\w{6}/", "/WORLD/"),
    ] {
        settings.add_filter(from, to);
    }
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

/// Compares with the snapshot of that name.
#[track_caller]
pub(crate) fn reads_as(name: &str, text: &str) {
    settings().bind(|| insta::assert_snapshot!(name.replace(' ', "-"), text));
}
