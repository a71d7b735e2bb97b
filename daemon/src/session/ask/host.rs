//! The host itself: reload and doctor.

use std::time::SystemTime;

use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::peer::Broken;
use super::super::{Session, host};
use super::isolation;
use crate::certificates;
use crate::dispatch::Event;
use crate::execute::failure::chain;
use crate::execute::forge;
use crate::execute::owner::Writer;
use crate::execute::refs;
use crate::execute::route::Followed;
use crate::guard;
use crate::notify;
use crate::report;
use crate::settings::Settings;
use crate::store::findings::{findings as store_findings, of_fault};
use crate::store::open::Look;
use crate::watch::Trouble;

/// What is to be said where the router does not follow yet.
fn unheard(followed: Followed) -> Option<String> {
    let text = match followed {
        Followed::Yes => return None,
        Followed::OnceBack => "the router is away; it follows once it is back",
        Followed::Unknown => "the router does not answer; see why with: wharf doctor",
    };
    Some(format!("warning: {text}"))
}

impl Session {
    pub(super) async fn reload(&mut self) -> Result<(), Broken> {
        self.may_host("reload its configuration")?;
        let told = self.desk.ask(|reply| Event::Reload { reply }).await;
        match told.ok_or_else(|| host("the daemon is stopping".into()))? {
            Ok(reloaded) => {
                let mut lines = vec![format!(
                    "read again: {}",
                    report::count(reloaded.projects as u64, "project")
                )];
                lines.extend(unheard(reloaded.followed));
                let settings = self.world.settings();
                let traces = self.world.traces.trouble(&settings.host.traces);
                let troubles = reloaded.router.iter().chain(&reloaded.metrics);
                for trouble in troubles.chain(&traces) {
                    lines.push(format!("warning: {trouble}"));
                }
                for broken in &settings.broken {
                    lines.push(format!("warning: {}:", report::refused(broken)));
                    let problems = broken.problems.render(report::WIDTH);
                    lines.extend(problems.lines().map(str::to_owned));
                }
                let is_good = settings.broken.is_empty() && reloaded.router.is_empty();
                let exit = if is_good { Exit::Ok } else { Exit::Failed };
                self.peer.lines(lines).await?;
                self.end(exit).await
            }
            Err(problems) => {
                let mut lines: Vec<String> = problems
                    .render(report::WIDTH)
                    .lines()
                    .map(str::to_owned)
                    .collect();
                lines.push("the old configuration stays.".into());
                self.peer.lines(lines).await?;
                self.end(Exit::Failed).await
            }
        }
    }

    /// What is wrong with certificates, and what the router says of TLS beside that.
    async fn tls_findings(&self, settings: &Settings) -> Vec<view::Finding> {
        let look = || certificates::findings(settings, SystemTime::now());
        let mut findings = tokio::task::block_in_place(look);
        if settings.host.tls.listen.is_none() {
            return findings;
        }
        let problems = match self.world.router.secure(false).await {
            Ok(secured) => secured.problems,
            Err(error) => vec![chain(&error)],
        };
        findings.extend(problems.into_iter().map(|problem| view::Finding {
            severity: view::Severity::Error,
            code: "tls".into(),
            message: format!("the router does not serve by TLS as it should: {problem}"),
            hint: Some("mend that, then: wharf reload".into()),
        }));
        findings
    }

    /// Whether the router is there and serves where it is to.
    async fn router_findings(&self) -> Vec<view::Finding> {
        let finding = |severity, message, hint: Option<&str>| view::Finding {
            severity,
            code: "router".into(),
            message,
            hint: hint.map(str::to_owned),
        };
        let standing = match self.world.router.status().await {
            Ok(standing) => standing,
            Err(error) => {
                let hint = "see why in its log: router.log in the state directory, or journalctl -u wharf-router";
                return vec![finding(view::Severity::Error, chain(&error), Some(hint))];
            }
        };
        let pid = standing.pid;
        let serves = standing.listen.map(|at| {
            let text = format!("the router serves on {at} (pid {pid})");
            finding(view::Severity::Good, text, None)
        });
        let problems = standing.problems.into_iter().map(|problem| {
            let text = format!("the router (pid {pid}): {problem}");
            let hint = "where it is to serve: router.listen and router.tls.listen";
            finding(view::Severity::Error, text, Some(hint))
        });
        serves.into_iter().chain(problems).collect()
    }

    pub(super) async fn doctor(&mut self) -> Result<(), Broken> {
        let settings = self.world.settings();
        // It names what is on the host, whoever may see it.
        if settings
            .projects
            .values()
            .any(|project| project.roles.is_some())
        {
            self.may_host("ask what is wrong with it")?;
        }
        let mut findings = Vec::new();
        let finding = |severity, code: &str, message: String, hint: Option<&str>| view::Finding {
            severity,
            code: code.into(),
            message,
            hint: hint.map(str::to_owned),
        };
        findings.extend(self.router_findings().await);
        findings.extend(self.tls_findings(&settings).await);
        let (severity, hint) = (
            view::Severity::Warning,
            "is the address taken? then: metrics.listen",
        );
        let trouble = self.world.metrics.trouble();
        findings.extend(trouble.map(|text| finding(severity, "metrics", text, Some(hint))));
        let hint = "does it run, and is it traces.endpoint? else: endpoint = \"off\"";
        let trouble = self.world.traces.trouble(&settings.host.traces);
        findings.extend(trouble.map(|text| finding(severity, "traces", text, Some(hint))));
        findings.extend(match self.world.recorder.fault() {
            Some(fault) => vec![of_fault(fault, &self.world.paths)],
            None => {
                let look = || store_findings(&self.world.paths, Look::Through);
                tokio::task::block_in_place(look)
            }
        });
        for trouble in self.world.watching.troubles() {
            let severity = match trouble.code {
                Trouble::CONFIGURATION => view::Severity::Error,
                _ => view::Severity::Warning,
            };
            let (message, hint) = (trouble.message, trouble.hint);
            findings.push(finding(severity, trouble.code, message, Some(&hint)));
        }
        for broken in &settings.broken {
            let mut message = report::refused(broken);
            message.push_str(&format!(": {}", broken.problems.first().message));
            let more = broken.problems.len().saturating_sub(1);
            if more > 0 {
                message.push_str(&format!("; and {more} more"));
            }
            findings.push(finding(
                view::Severity::Error,
                "project-broken",
                message,
                Some("see all of it with wharfd check; mended files are read by themselves"),
            ));
        }
        for project in settings.projects.values() {
            if let Err(error) = refs::tips(&project.repository) {
                findings.push(finding(
                    view::Severity::Error,
                    "repository-unreadable",
                    format!("{}: {}", project.name, chain(&error)),
                    Some("it must be a bare repository that the daemon's user may read"),
                ));
            } else if refs::head(&project.repository).is_none() {
                findings.push(finding(
                    view::Severity::Error,
                    "repository-unreadable",
                    format!(
                        "{}: {} cannot be read",
                        project.name,
                        project.repository.display()
                    ),
                    Some("it must be a bare repository that the daemon's user may read"),
                ));
            } else if project.remote.is_none() && forge::is_forge(&project.repository) {
                findings.push(finding(
                    view::Severity::Warning,
                    "host-unaware",
                    format!(
                        "{}: its git host is not told of merges, promotions and deletions that Wharf makes",
                        project.name
                    ),
                    Some("have them pushed there: push.remote in the project's file"),
                ));
            } else if let Err(error) = Writer::of(&project.repository) {
                findings.push(finding(
                    view::Severity::Warning,
                    "repository-unwritable",
                    format!(
                        "{}: no merge, promotion or deletion can be made: {error}",
                        project.name
                    ),
                    Some("systemctl start wharf-helper.socket"),
                ));
            }
        }
        findings.extend(self.disk_findings());
        findings.extend(self.kept_findings().await);
        findings.extend(tokio::task::block_in_place(|| {
            guard::findings(&self.world.place, &self.world.paths, &settings)
        }));
        findings.extend(notify::findings::findings(&self.world).await);
        findings.extend(isolation::findings(&self.world.isolation));
        for finding in findings {
            self.item(Item::Finding(finding)).await?;
        }
        self.end(Exit::Ok).await
    }
}
