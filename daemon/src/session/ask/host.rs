//! The host itself: reload and doctor.

use std::time::SystemTime;

use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::peer::Broken;
use super::super::{Session, host};
use super::isolation;
use crate::certificates;
use crate::dispatch::Event;
use crate::doctor;
use crate::execute::failure::chain;
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
        findings.extend(problems.into_iter().map(|problem| {
            let text = format!("the router does not serve by TLS as it should: {problem}");
            view::Finding::error("tls", text, "mend that, then: wharf reload")
        }));
        findings
    }

    /// Whether the router answers, and where it should.
    async fn router_findings(&self, settings: &Settings) -> Vec<view::Finding> {
        match self.world.router.status().await {
            Ok(standing) => doctor::router(standing, settings, &self.world.paths),
            Err(error) => {
                let mut found = tokio::task::block_in_place(|| doctor::ports(settings));
                found.push(view::Finding::error(
                    "router",
                    chain(&error),
                    doctor::router_hint(&self.world.paths),
                ));
                found
            }
        }
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
        let mut findings = self.router_findings(&settings).await;
        findings.extend(self.tls_findings(&settings).await);
        let trouble = self.world.metrics.trouble();
        let hint = "is the address taken? then: metrics.listen";
        findings.extend(trouble.map(|text| view::Finding::warning("metrics", text, hint)));
        let hint = "does it run, and is it traces.endpoint? else: endpoint = \"off\"";
        let trouble = self.world.traces.trouble(&settings.host.traces);
        findings.extend(trouble.map(|text| view::Finding::warning("traces", text, hint)));
        findings.extend(match self.world.recorder.fault() {
            Some(fault) => vec![of_fault(fault, &self.world.paths)],
            None => {
                let look = || store_findings(&self.world.paths, Look::Through);
                tokio::task::block_in_place(look)
            }
        });
        for Trouble {
            code,
            message,
            hint,
        } in self.world.watching.troubles()
        {
            findings.push(match code {
                Trouble::CONFIGURATION => view::Finding::error(code, message, hint),
                _ => view::Finding::warning(code, message, hint),
            });
        }
        findings.extend(doctor::broken(&settings));
        let look = doctor::Look {
            place: &self.world.place,
            paths: &self.world.paths,
            settings: &settings,
            has_journal: self.world.has_journal,
        };
        findings.extend(doctor::findings(look).await);
        findings.extend(self.kept_findings().await);
        findings.extend(self.mount_findings().await);
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
