//! What goes wrong with hosts, looked at with a daemon or without one: for `wharf doctor`.
//!
//! Each look is a function of its own that says what it found, where, and the command that mends it. What
//! only a running daemon knows is in `session::ask::host`; owners and modes are in [`crate::guard`].

mod callers;
mod clock;
mod file_system;
mod git;
mod journal;
mod listening;
mod port;
mod repositories;
mod restic;
mod room;
mod sandbox;

use wharf_config::place::Place;
use wharf_config::project::Broken;
use wharf_wire::view::Finding;

use crate::execute::router::Standing;
use crate::report;
use crate::settings::Settings;
use crate::store::paths::Paths;

pub use port::findings as ports;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Where Wharf is.
    pub place: &'a Place,
    /// The same, below its state directory.
    pub paths: &'a Paths,
    /// What people wrote.
    pub settings: &'a Settings,
    /// Whether the daemon's events go to the journal.
    pub has_journal: bool,
}

/// Looks at everything that does not need a running daemon. Blocks, and asks other programs.
pub async fn findings(look: Look<'_>) -> Vec<Finding> {
    let mut found = git::findings().await;
    found.extend(restic::findings().await);
    found.extend(clock::findings(look.paths).await);
    found.extend(tokio::task::block_in_place(|| blocking(look)));
    found
}

fn blocking(look: Look<'_>) -> Vec<Finding> {
    let mut found = sandbox::findings(look.paths);
    if look.has_journal {
        found.extend(journal::findings(std::path::Path::new("/")));
    }
    found.extend(file_system::findings(look.paths, look.settings));
    found.extend(room::findings(look.paths, look.settings));
    found.extend(repositories::findings(look.settings));
    found.extend(callers::findings(look.place, look.settings));
    found
}

/// Project files that are left out.
pub fn broken(settings: &Settings) -> Vec<Finding> {
    let finding = |broken: &Broken| {
        let mut message = report::refused(broken);
        message.push_str(&format!(": {}", broken.problems.first().message));
        let more = broken.problems.len().saturating_sub(1);
        if more > 0 {
            message.push_str(&format!("; and {more} more"));
        }
        let hint = "see all of it with wharfd check; mended files are read by themselves";
        Finding::error("project-broken", message, hint)
    };
    settings.broken.iter().map(finding).collect()
}

/// What a router that answers says of itself: where it serves, and where it cannot. One that the daemon started
/// stays where it is until it begins anew.
pub fn router(standing: Standing, settings: &Settings, paths: &Paths) -> Vec<Finding> {
    let (pid, wanted) = (standing.pid, settings.host.listen);
    let serves = standing.listen.map(|at| {
        let text = format!("the router serves on {at} (pid {pid})");
        let is_there = at == wanted || wanted.port() == 0 && at.ip() == wanted.ip();
        if is_there || !standing.problems.is_empty() {
            return Finding::good("router", text);
        }
        let text = format!("{text} still, and router.listen is {wanted}");
        Finding::warning("router", text, router_restart(paths, pid))
    });
    let problems = standing.problems.iter().map(|problem| {
        let text = format!("the router (pid {pid}): {problem}");
        let hint = "where it is to serve: router.listen and router.tls.listen";
        Finding::error("router", text, hint)
    });
    serves.into_iter().chain(problems).collect()
}

/// How a router begins anew.
fn router_restart(paths: &Paths, pid: u32) -> String {
    match paths.is_system() {
        true => "systemctl restart wharf-router".to_owned(),
        false => format!("kill {pid}\nthe daemon starts another one then"),
    }
}

/// Where it says why there is no router.
pub fn router_hint(paths: &Paths) -> String {
    match paths.is_system() {
        true => "systemctl status wharf-router".to_owned(),
        false => format!("tail {}", paths.router_log().display()),
    }
}
