//! The host itself: reload and doctor.

use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::peer::Broken;
use super::super::{Session, host};
use crate::dispatch::Event;
use crate::execute::failure::chain;
use crate::execute::source;
use crate::report;

impl Session {
    pub(super) async fn reload(&mut self) -> Result<(), Broken> {
        let told = self.desk.ask(|reply| Event::Reload { reply }).await;
        match told.ok_or_else(|| host("the daemon is stopping".into()))? {
            Ok(projects) => {
                let mut lines = vec![format!("read again: {projects} projects")];
                let settings = self.world.settings();
                for (file, problems) in &settings.broken {
                    lines.push(format!("warning: {} is left out:", file.display()));
                    lines.extend(problems.render(report::WIDTH).lines().map(str::to_owned));
                }
                let exit = if settings.broken.is_empty() {
                    Exit::Ok
                } else {
                    Exit::Failed
                };
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

    pub(super) async fn doctor(&mut self) -> Result<(), Broken> {
        let mut findings = Vec::new();
        let settings = self.world.settings();
        let finding = |severity, code: &str, message: String, hint: Option<&str>| view::Finding {
            severity,
            code: code.into(),
            message,
            hint: hint.map(str::to_owned),
        };
        match self.world.router.status().await {
            Ok((pid, at)) => findings.push(finding(
                view::Severity::Good,
                "router",
                format!("the router serves on {at} (pid {pid})"),
                None,
            )),
            Err(error) => findings.push(finding(
                view::Severity::Error,
                "router",
                chain(&error),
                Some("see router.log in the state directory; is its port taken?"),
            )),
        }
        for (file, problems) in &settings.broken {
            findings.push(finding(
                view::Severity::Error,
                "project-broken",
                format!("{}: {}", file.display(), problems.first().message),
                Some("mend the file, then: wharf reload"),
            ));
        }
        for project in settings.projects.values() {
            if source::head(&project.repository).is_none() {
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
            }
        }
        match crate::disk::free_space(&self.world.paths.state()) {
            Ok(free) if free.bytes < settings.host.keep_min_free => findings.push(finding(
                view::Severity::Error,
                "disk",
                format!("only {} MiB are free for the state", free.bytes >> 20),
                Some("make room, or lower keep.min_free"),
            )),
            Ok(free) => findings.push(finding(
                view::Severity::Good,
                "disk",
                format!("{} MiB are free for the state", free.bytes >> 20),
                None,
            )),
            Err(error) => {
                findings.push(finding(view::Severity::Error, "disk", chain(&error), None))
            }
        }
        findings.push(finding(
            view::Severity::Warning,
            "isolation",
            "applications share one user: bubblewrap alone keeps them apart".into(),
            Some("expected without systemd; a later release gives each a user of its own"),
        ));
        for finding in findings {
            self.item(Item::Finding(finding)).await?;
        }
        self.end(Exit::Ok).await
    }
}
