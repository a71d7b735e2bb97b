//! What commands and processes find in their environment.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use wharf_config::application::{Application, Value};

use super::activity::Act;
use super::failure::Failure;
use crate::plan::variables::{Given, missing};
use crate::store::release::ReleaseRecord;
use crate::store::variable::Set;

/// Where build caches are in the sandbox.
pub const CACHE: &str = "/cache";
/// Bytes of a generated secret.
const SECRET: usize = 32;

type Variables = BTreeMap<String, String>;

/// What a build sees, as its slug's key and its record hold it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Values by name.
    pub plain: Variables,
    /// Digests of secrets by name.
    pub secrets: Variables,
}

/// What a build of this application sees of what is given to it.
pub fn seen(application: &Application, given: &Given, set: &Set) -> Seen {
    let mut seen = Seen::default();
    for (name, one) in given.seen_by_build(application) {
        match one.secret {
            true => {
                let digest = set.digest(&name, &one.value);
                seen.secrets.insert(name.to_string(), digest)
            }
            false => seen.plain.insert(name.to_string(), one.value.0),
        };
    }
    seen
}

/// What is set for the activity's environment at this moment.
///
/// # Errors
/// That something is missing that the application requires.
pub async fn given(act: &Act, application: &Application) -> Result<(Given, Seen), Failure> {
    let parent = act.environment.parent.as_ref().map(ToString::to_string);
    let set = act.world.recorder.variables(act.key(), parent).await?;
    let (id, kind) = (&act.key().id, act.environment.kind);
    let given = Given::of(&set.all, id, kind, &application.committed);
    let missing = missing(application, &given);
    if let Some(first) = missing.first() {
        let more = missing[1..].iter().map(|one| one.message(id.as_str()));
        return Err(Failure::new("variable-missing", first.message(id.as_str()))
            .details(more)
            .hint(first.hint(id.as_str())));
    }
    let seen = seen(application, &given, &set);
    Ok((given, seen))
}

/// What a build sees: the key's variables, the caches, and what the operator passes on.
pub fn for_build(act: &Act, application: &Application, given: &Given) -> Variables {
    let mut variables = Variables::new();
    for name in &act.settings.host.pass {
        if let Ok(value) = std::env::var(name.as_str()) {
            variables.insert(name.to_string(), value);
        }
    }
    for (name, value) in [
        ("XDG_CACHE_HOME", CACHE.to_owned()),
        ("PIP_CACHE_DIR", format!("{CACHE}/pip")),
        ("npm_config_cache", format!("{CACHE}/npm")),
        ("npm_config_update_notifier", "false".to_owned()),
        ("COMPOSER_CACHE_DIR", format!("{CACHE}/composer")),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
        ("CI", "true".to_owned()),
    ] {
        variables.insert(name.to_owned(), value);
    }
    let seen = given.seen_by_build(application).into_iter();
    variables.extend(seen.map(|(name, one)| (name.to_string(), one.value.0)));
    variables
}

/// What deploy commands and processes of a release see: what it was given, over the environment's
/// generated secrets and what its code says; and where they are.
///
/// # Errors
/// When a secret cannot be recorded.
pub async fn for_release(act: &Act, release: &ReleaseRecord) -> Result<Variables, Failure> {
    let application = &release.application;
    let mut variables = Variables::new();
    for (name, value) in &application.env {
        if matches!(value, Value::Generate) {
            let random: [u8; SECRET] = rand::random();
            let fresh = BASE64URL_NOPAD.encode(&random);
            let secret = act
                .world
                .recorder
                .secret(act.key(), name.as_str(), fresh)
                .await?;
            variables.insert(name.to_string(), secret);
        }
    }
    let seen = release.variables.seen_by_run(application).into_iter();
    variables.extend(seen.map(|(name, one)| (name.to_string(), one.value.0)));
    for (name, value) in [
        ("WHARF_PROJECT", act.project.name.to_string()),
        ("WHARF_ENVIRONMENT", act.key().id.to_string()),
        (
            "WHARF_ENVIRONMENT_TYPE",
            act.environment.kind.as_str().to_owned(),
        ),
        ("WHARF_BRANCH", act.branch().to_string()),
        ("WHARF_COMMIT", release.commit.clone()),
        ("WHARF_RELEASE", release.number.to_string()),
        ("WHARF_URL", act.url()),
    ] {
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}
