//! `[deploy]`, `[assets]` and `[checks]`: what happens around the switch.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{
    At,
    mounts::Mount,
    parts::entries,
    step::{self, Step, command, steps},
};
use crate::{
    name::{ProcessName, RelPath},
    plain::quoted,
    reader::Item,
};

const MAX_WITHIN: Duration = Duration::from_secs(60 * 60);
/// The longest that a request may wait for a deployment: browsers and proxies give up about then.
const MAX_HOLD: Duration = Duration::from_secs(5 * 60);
const MAX_CHECKS: usize = 32;

/// What happens around the switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deploy {
    /// Whether visitors may meet the site while the commands run.
    pub maintenance: Maintenance,
    /// Commands for an environment that has nothing yet.
    pub install: Option<Install>,
    /// Commands before the new processes start.
    pub run: Vec<Step>,
    /// Commands once the site serves.
    pub after: Vec<Step>,
    /// When a new web process is good.
    pub health: Health,
    /// Whether `run` may be run again after it was interrupted.
    pub repeatable: bool,
    /// What becomes of the serving release's workers while the commands run; none: as visitors, they
    /// are kept away where there is maintenance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<OldWorkers>,
}

/// What becomes of the serving release's workers while deploy commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldWorkers {
    /// They go on until the switch.
    Keep,
    /// They are stopped before the first command; where the deployment fails they start again.
    Stop,
}

/// Whether visitors may meet the site while deploy commands run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Maintenance {
    /// When it is needed.
    pub when: When,
    /// Where the command that tells is written. Not stored.
    #[serde(skip)]
    pub unless_at: At,
    /// How long requests wait before they see the page, from its beginning.
    pub hold: Duration,
    /// The application's own page in the slug.
    pub page: Option<RelPath>,
}

/// When maintenance is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The old release serves all the time.
    #[default]
    Never,
    /// Whenever there are deploy commands.
    Always,
    /// Unless this command ends with 0 in the new release.
    Unless(String),
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            when: When::Never,
            unless_at: At::Nowhere,
            hold: Duration::from_secs(30),
            page: None,
        }
    }
}

/// Commands for an environment that has nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// They run unless this command ends with 0.
    pub unless: String,
    /// Where that is written. Not stored.
    #[serde(skip)]
    pub unless_at: At,
    /// The commands; may be repeated until they end well.
    pub run: Vec<Step>,
}

/// Static content that a command makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assets {
    /// The commands.
    pub run: Vec<Step>,
    /// The committed configuration with which they can run in the build; without this rule they
    /// always do.
    pub committed: Option<RelPath>,
    /// The directories that they make.
    pub outputs: Vec<RelPath>,
}

/// When a new web process is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What to request, beginning with `/`; without it, that the process listens is enough.
    pub path: Option<String>,
    /// How long it may take to get there.
    pub within: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            path: None,
            within: Duration::from_secs(60),
        }
    }
}

/// The deployment.
pub(super) fn deploy(item: &Item<'_>) -> Deploy {
    let mut deploy = Deploy::default();
    if !matches!(item.value(), DeValue::Table(_)) {
        deploy.run = steps(item);
        return deploy;
    }
    let Some(table) = item.table("") else {
        return deploy;
    };
    table.later(&["snapshot"]);
    let commands = |key| table.get(key).map(|item| steps(&item)).unwrap_or_default();
    deploy.run = commands("run");
    deploy.after = commands("after");
    if let Some(item) = table.get("health") {
        deploy.health = health(&item);
    }
    if let Some(item) = table.get("repeatable") {
        deploy.repeatable = item.boolean().unwrap_or_default();
    }
    if let Some(hold) = table.get("hold").and_then(|item| item.duration(MAX_HOLD)) {
        // Whoever says how long requests wait wants them to.
        deploy.maintenance.when = When::Always;
        deploy.maintenance.hold = hold;
    }
    if let Some(item) = table.get("workers") {
        let words = [("stop", OldWorkers::Stop), ("keep", OldWorkers::Keep)];
        deploy.workers = item.one_of(&words);
    }
    if let Some(item) = table.get("maintenance") {
        maintenance(&item, &mut deploy.maintenance);
    }
    if let Some(item) = table.get("install") {
        deploy.install = install(&item);
    }
    table.finish();
    deploy
}

/// True, false, or a table with the command that tells and the page.
fn maintenance(item: &Item<'_>, maintenance: &mut Maintenance) {
    if !item.is_table() {
        match item.boolean() {
            Some(true) => maintenance.when = When::Always,
            _ => maintenance.when = When::Never,
        }
        return;
    }
    let Some(table) = item.table("") else { return };
    maintenance.when = match table.get("unless") {
        Some(item) => {
            maintenance.unless_at = At::Spot(item.spot());
            command(&item).map(When::Unless).unwrap_or_default()
        }
        None => When::Always,
    };
    maintenance.page = table
        .get("page")
        .and_then(|item| item.parsed("\"errors/503.html\"", RelPath::parse));
    table.finish();
}

fn install(item: &Item<'_>) -> Option<Install> {
    let table = item.table("")?;
    let unless = table.get("unless");
    let run = table.get("run");
    let absent = absent(&[("unless", unless.is_none()), ("run", run.is_none())]);
    if !absent.is_empty() {
        let message = format!("{} needs both `unless` and `run`", quoted(item.path()));
        let hint = "write { unless = \"test -f var/installed\", run = \"bin/install\" }";
        table.missing(&absent, message, hint);
    }
    let run = run.map(|item| steps(&item)).unwrap_or_default();
    table.finish();
    let unless = unless?;
    let unless_at = At::Spot(unless.spot());
    command(&unless).map(|unless| Install {
        unless,
        unless_at,
        run,
    })
}

/// Those of the keys that are absent.
fn absent(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    let absent = keys.iter().filter(|(_, is_absent)| *is_absent);
    absent.map(|(key, _)| *key).collect()
}

/// `[assets]`. Mounts cover what is below them, also what would be made there.
pub(super) fn assets(item: &Item<'_>, mounts: &BTreeMap<RelPath, Mount>) -> Option<Assets> {
    let table = item.table("")?;
    let run = table.get("run").map(|item| steps(&item));
    let outputs = table.get("outputs").map(|item| step::paths(&item));
    let absent = absent(&[("run", run.is_none()), ("outputs", outputs.is_none())]);
    if !absent.is_empty() {
        let message = format!("{} needs both `run` and `outputs`", quoted(item.path()));
        let hint = "write run = \"bin/assets\" and outputs = [\"public/assets\"] below it";
        table.missing(&absent, message, hint);
    }
    let committed = table.get("when").and_then(|item| {
        let table = item.table("")?;
        let committed = table.get("committed");
        if committed.is_none() {
            let message = format!("{} needs `committed`", quoted(item.path()));
            let hint = "write when = { committed = \"config/app.php\" }, or leave it out";
            table.missing(&["committed"], message, hint);
        }
        let path = committed.and_then(|item| item.parsed("\"config/app.php\"", RelPath::parse));
        table.finish();
        path
    });
    table.finish();
    let (run, outputs) = (run?, outputs?);
    if let Some(top) = outputs.iter().find(|path| path.is_top()) {
        let why = format!("{} is the whole tree", quoted(top.as_str()));
        item.bad_key("bad-value", why, "name the directories that it makes");
        return None;
    }
    let hint = "name directories that are apart";
    for (at, output) in outputs.iter().enumerate() {
        if let Some(mount) = mounts.keys().find(|mount| mount.holds(output)) {
            let why = format!("{output} lies in the mount {mount}, which outlives releases");
            item.bad_key("bad-value", why, hint);
            return None;
        }
        let overlaps = |other: &&RelPath| other.holds(output) || output.holds(other);
        if let Some(other) = outputs[..at].iter().find(overlaps) {
            let why = format!("{output} and {other} overlap");
            item.bad_key("bad-value", why, hint);
            return None;
        }
    }
    Some(Assets {
        run,
        committed,
        outputs,
    })
}

/// `[checks]`: commands by name, in the order of their names.
pub(super) fn checks(item: &Item<'_>) -> Vec<Step> {
    let check = |item: &Item<'_>| {
        let name = item.key_as(
            "smoke = \"curl -fsS $WHARF_CHECK_URL/\"",
            ProcessName::parse,
        );
        let run = command(item);
        Some(Step::new(name?.to_string(), run?).at(At::Spot(item.spot())))
    };
    let entries = entries(item, MAX_CHECKS, "checks");
    entries.iter().filter_map(check).collect()
}

fn health(item: &Item<'_>) -> Health {
    let mut health = Health::default();
    if let DeValue::String(_) = item.value() {
        health.path = request_path(item);
        return health;
    }
    let Some(table) = item.table("\"/health\"") else {
        return health;
    };
    health.path = table.get("path").and_then(|item| request_path(&item));
    if let Some(within) = table
        .get("within")
        .and_then(|item| item.duration(MAX_WITHIN))
    {
        health.within = within;
    }
    table.finish();
    health
}

/// A path that goes into a request line as it is.
fn request_path(item: &Item<'_>) -> Option<String> {
    let text = item.text("\"/health\"")?;
    let strange = |c: &char| !c.is_ascii_graphic() || *c == '#';
    if !text.starts_with('/') || text.starts_with("//") {
        item.bad(
            "must begin with one slash",
            "write a path such as \"/health\"",
        );
    } else if let Some(c) = text.chars().find(strange) {
        item.bad(
            format!("{} cannot stand in a request", quoted(&c.to_string())),
            "encode it as %XX",
        );
    } else if text.len() > 1_024 {
        item.bad("it has more than 1024 bytes", "write a shorter path");
    } else {
        return Some(text.to_owned());
    }
    None
}
