//! What a dry run says of one branch: what a push would do, and why it would build anew.

use wharf_config::application::{Application, Assets, Health, Step, When};

use super::{WIDTH, count, opened_as, started, wrapped};

/// Names of patches that are shown.
const PATCHES: usize = 10;

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
    /// The patches of the tree; none where nobody could look at them.
    pub patches: Option<&'a [String]>,
    /// Where static content is made; none where nobody could look for what decides that.
    pub assets: Option<MadeIn>,
    /// Whether visitors meet something there now.
    pub serves: bool,
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

/// Where static content is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeIn {
    /// In the build: what decides it is committed.
    Build,
    /// In the deploy: it is not.
    Deploy,
}

type Say<'a> = dyn FnMut(&str, &str) + 'a;

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
        self.build(&mut say);
        self.deploy(&mut say);
        lines.push(format!("  {}", self.url));
        if !prefix.is_empty() {
            for line in &mut lines {
                line.insert_str(0, prefix);
            }
        }
        lines
    }

    fn build(&self, say: &mut Say<'_>) {
        let application = self.application;
        let (slug, why) = match &self.slug {
            Slug::Reused(slug) => {
                let text = format!("reuses slug {slug} (same tree, same build settings)");
                return say("build", &text);
            }
            Slug::New(slug, why) => (slug, why),
        };
        let why = match why {
            [] => String::new(),
            why => format!(": {}", why.join(", ")),
        };
        say("build", &format!("new slug {slug}{why}"));
        let patches = match self.patches {
            None => Some("not looked at: there is too much to look through".to_owned()),
            Some([]) => None,
            Some(patches) => Some(listed(patches)),
        };
        let label = match (patches, &application.build.patches.after) {
            (None, _) => "",
            (Some(patches), None) => {
                say("patches", &patches);
                "build"
            }
            (Some(patches), Some(step)) => {
                say("patches", &format!("after {step}: {patches}"));
                "build"
            }
        };
        commands(say, label, &application.build.steps);
        let Some(assets) = &application.assets else {
            return;
        };
        match (&assets.committed, self.assets) {
            (None, _) => say("assets", "in the build, always"),
            (Some(path), Some(MadeIn::Build)) => {
                say("assets", &format!("in the build: {path} is committed"));
            }
            (Some(path), None) => {
                say("assets", &format!("in the build if {path} is committed"));
            }
            (Some(_), Some(MadeIn::Deploy)) => return,
        }
        commands(say, "", &assets.run);
    }

    fn deploy(&self, say: &mut Say<'_>) {
        let application = self.application;
        let mounts = match application.mounts.len() as u64 {
            0 => String::new(),
            mounts => format!(", {}", count(mounts, "mount")),
        };
        say("release", &format!("r{}{mounts}", self.release));
        self.maintenance(say);
        if let Some(assets) = self.late_assets() {
            let path = assets.committed.iter().map(ToString::to_string);
            let path = path.collect::<String>();
            match self.assets {
                None => say(
                    "assets",
                    &format!("in the deploy if {path} is not committed"),
                ),
                Some(_) => {
                    say("assets", &format!("in the deploy: {path} is not committed"));
                    commands(say, "", &assets.run);
                }
            }
        }
        let deploy = &application.deploy;
        if let Some(install) = &deploy.install {
            commands(say, "install", &install.run);
            let unless = Step::asking(&install.unless).name;
            let text = format!("instead of deploy, unless this ends well: {unless}");
            say("", &text);
        }
        commands(say, "deploy", &deploy.run);
        if let Some(web) = &application.web {
            say("start", &format!("web: {}", web.start));
        }
        for (name, process) in &application.processes {
            say("start", &format!("process {name}: {}", process.start));
        }
        for (name, worker) in &application.workers {
            say("start", &format!("worker {name}: {}", worker.start));
        }
        self.health(say);
        commands(say, "check", &application.checks);
        commands(say, "after", &deploy.after);
    }

    /// Static content that is, or may be, made in the deploy.
    fn late_assets(&self) -> Option<&Assets> {
        let assets = self.application.assets.as_ref();
        assets.filter(|assets| assets.committed.is_some() && self.assets != Some(MadeIn::Build))
    }

    fn maintenance(&self, say: &mut Say<'_>) {
        let deploy = &self.application.deploy;
        let installs = deploy.install.iter().flat_map(|install| &install.run);
        let late = self
            .late_assets()
            .into_iter()
            .flat_map(|assets| &assets.run);
        let runs = deploy
            .run
            .iter()
            .chain(installs)
            .chain(late)
            .next()
            .is_some();
        let maintenance = &deploy.maintenance;
        let unless = match &maintenance.when {
            When::Never => return,
            When::Always => String::new(),
            When::Unless(probe) => {
                let probe = Step::asking(probe).name;
                format!(", unless this ends well: {probe}")
            }
        };
        let text = match (runs, self.serves) {
            (false, _) => "none: no commands run".to_owned(),
            (true, false) => "none: nothing serves yet".to_owned(),
            (true, true) => {
                let hold = humantime::format_duration(maintenance.hold);
                format!("requests wait {hold} while commands run, then see a page{unless}")
            }
        };
        say("maintenance", &text);
    }

    fn health(&self, say: &mut Say<'_>) {
        let application = self.application;
        let Health { path, within } = &application.deploy.health;
        let within = within.as_secs();
        match (&application.web, path) {
            (None, _) => {}
            (Some(_), Some(path)) => say("health", &format!("GET {path} within {within}s")),
            (Some(_), None) => say("health", &format!("it listens within {within}s")),
        }
        for name in application.processes.keys() {
            say("health", &format!("{name} listens within {within}s"));
        }
    }
}

/// The first of them, and how many there are.
fn listed(patches: &[String]) -> String {
    let shown = patches.iter().take(PATCHES).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match patches.len().saturating_sub(PATCHES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
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

fn commands(say: &mut Say<'_>, label: &str, steps: &[Step]) {
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
            install = { unless = "test -f data/ok", run = "bin/install" }
            maintenance = { unless = "bin/is-migrated" }
            health = { path = "/up", within = "30s" }
            [web]
            start = "node server.js"
            [workers]
            mail = "node mail.js"
            [processes]
            api = "node api.js"
            [mounts]
            data = "private"
            [assets]
            run = "bin/assets"
            when = { committed = "config.json" }
            outputs = ["static"]
            [checks]
            home = "bin/check"
            "#,
        );
        let application = application::read(&files).unwrap();
        let why = ["tree changed (3 files)".into(), "NODE_ENV changed".into()];
        let patches: Vec<String> = (1..=12)
            .map(|number| format!("patches/{number}.patch"))
            .collect();
        let mut forecast = Forecast {
            project: "shop",
            branch: "staging",
            environment: "staging",
            application: &application,
            slug: Slug::New("6ebfe1", &why),
            patches: Some(&patches),
            assets: Some(MadeIn::Deploy),
            serves: true,
            release: 42,
            url: "http://staging--shop.localhost:7080/",
        };
        let new = forecast.lines("").join("\n");
        (forecast.patches, forecast.assets) = (None, None);
        forecast.serves = false;
        let unseen = forecast.lines("").join("\n");
        forecast.assets = Some(MadeIn::Build);
        let early = forecast.lines("").join("\n");
        forecast.slug = Slug::Reused("6ebfe1");
        let reused = forecast.lines("[staging] ").join("\n");
        insta::assert_snapshot!([new, unseen, early, reused].join("\n\n"));
    }
}
