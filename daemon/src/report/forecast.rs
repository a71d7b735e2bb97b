//! What a dry run says of one branch: what a push would do, and why it would build anew.

use wharf_config::application::{Application, Step};

use super::{WIDTH, count, opened_as, started, wrapped};

/// What a push of a branch would do.
#[derive(Debug)]
pub struct Forecast<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The branch's name.
    pub branch: &'a str,
    /// The environment's id.
    pub environment: &'a str,
    /// The configuration at the commit.
    pub application: &'a Application,
    /// Where the build's result comes from.
    pub slug: Slug<'a>,
    /// The number of the release to come.
    pub release: u32,
    /// Where it would answer.
    pub url: &'a str,
}

/// Where a build's result comes from.
#[derive(Debug)]
pub enum Slug<'a> {
    /// It is there.
    Reused(&'a str),
    /// It is to be made, for these reasons where another one serves.
    New(&'a str, &'a [String]),
}

impl Forecast<'_> {
    /// Its lines; `prefix` names the environment where one push goes to several.
    pub fn lines(&self, prefix: &str) -> Vec<String> {
        let width = WIDTH.saturating_sub(prefix.len()).max(40);
        let (project, branch, environment) = (self.project, self.branch, self.environment);
        let mut lines = opened_as(width, project, branch, environment, "dry run");
        let mut say = |label: &str, text: &str| lines.extend(started(width, label, text));
        let application = self.application;
        for source in &application.sources {
            say("detected", source);
        }
        for warning in &application.warnings {
            say("warning", warning);
        }
        match &self.slug {
            Slug::Reused(slug) => {
                say(
                    "build",
                    &format!("reuses slug {slug} (same tree, same build settings)"),
                );
            }
            Slug::New(slug, why) => {
                let why = match why {
                    [] => String::new(),
                    why => format!(": {}", why.join(", ")),
                };
                say("build", &format!("new slug {slug}{why}"));
                commands(&mut say, "", &application.build.steps);
            }
        }
        let mounts = match application.mounts.len() as u64 {
            0 => String::new(),
            mounts => format!(", {}", count(mounts, "mount")),
        };
        say("release", &format!("r{}{mounts}", self.release));
        commands(&mut say, "deploy", &application.deploy.run);
        if let Some(web) = &application.web {
            say("start", &format!("web: {}", web.start));
        }
        for (name, process) in &application.processes {
            say("start", &format!("process {name}: {}", process.start));
        }
        for (name, worker) in &application.workers {
            say("start", &format!("worker {name}: {}", worker.start));
        }
        if application.web.is_some() {
            let health = &application.deploy.health;
            let within = health.within.as_secs();
            match &health.path {
                Some(path) => say("health", &format!("GET {path} within {within}s")),
                None => say("health", &format!("it listens within {within}s")),
            }
        }
        commands(&mut say, "after", &application.deploy.after);
        lines.push(format!("  {}", self.url));
        if !prefix.is_empty() {
            for line in &mut lines {
                line.insert_str(0, prefix);
            }
        }
        lines
    }
}

/// What a push of a branch would do whose environment stays inactive: project and branch, the
/// environment's id, why, and what to do.
pub fn inactive(
    (project, branch): (&str, &str),
    environment: &str,
    why: &str,
    hints: &[String],
    prefix: &str,
) -> Vec<String> {
    let width = WIDTH.saturating_sub(prefix.len()).max(40);
    let mut lines = opened_as(width, project, branch, environment, "dry run");
    lines.extend(started(width, "keep", "the code, and that is all"));
    lines.extend(started(width, "", why));
    for hint in hints {
        lines.extend(wrapped(width, "hint: ", "  ", hint));
    }
    for line in &mut lines {
        line.insert_str(0, prefix);
    }
    lines
}

fn commands(say: &mut impl FnMut(&str, &str), label: &str, steps: &[Step]) {
    for (index, step) in steps.iter().enumerate() {
        let text = format!("{} of {}: {}", index + 1, steps.len(), step.name);
        say(if index == 0 { label } else { "" }, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_config::{application, files::Files};

    #[test]
    fn a_dry_run_reads_well() {
        let mut files = Files::default();
        files.insert(
            "wharf.toml",
            r#"
            build = ["npm ci", "npm run build"]
            [deploy]
            run = "bin/migrate"
            after = "bin/warm"
            health = { path = "/up", within = "30s" }
            [web]
            start = "node server.js"
            [workers]
            mail = "node mail.js"
            [mounts]
            data = "private"
            "#,
        );
        let application = application::read(&files).unwrap();
        let why = ["tree changed (3 files)".into(), "NODE_ENV changed".into()];
        let mut forecast = Forecast {
            project: "shop",
            branch: "staging",
            environment: "staging",
            application: &application,
            slug: Slug::New("6ebfe1", &why),
            release: 42,
            url: "http://staging--shop.localhost:7080/",
        };
        let new = forecast.lines("").join("\n");
        forecast.slug = Slug::Reused("6ebfe1");
        let reused = forecast.lines("[staging] ").join("\n");
        insta::assert_snapshot!(format!("{new}\n\n{reused}"));
    }
}
