//! What commands and processes find in their environment.

use std::collections::BTreeMap;
use std::time::Instant;

use data_encoding::BASE64URL_NOPAD;
use wharf_config::application::{Application, BuildNetwork, Value};
use wharf_config::name::VariableName;

use super::activity::Act;
use super::failure::Failure;
use crate::plan::variables::{Given, differing, missing};
use crate::run::sandbox::CACHE;
use crate::store::release::ReleaseRecord;
use crate::store::variable::Set;

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

/// What a build of this application sees of what is given to it, on a host that leaves builds this
/// network.
pub fn seen(application: &Application, given: &Given, set: &Set, host: BuildNetwork) -> Seen {
    let mut seen = Seen::default();
    seen.plain.extend(offline(application, host));
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

/// Names that one line tells.
const TOLD: usize = 20;

/// Says which variables that no build sees the new release has otherwise than what serves: names only.
///
/// # Errors
/// When what serves cannot be read.
pub async fn say_changed(act: &Act, now: &Given) -> Result<(), Failure> {
    let Some(live) = act.previous else {
        return Ok(());
    };
    let Some(live) = act.world.recorder.release(act.key(), live).await? else {
        return Ok(());
    };
    if let Some(text) = changed(&live.variables, now) {
        act.did("variables", text, Instant::now());
    }
    Ok(())
}

/// Those that runs alone see otherwise than before, as a line.
fn changed(before: &Given, now: &Given) -> Option<String> {
    // What builds see otherwise is among the reasons for a new slug.
    let told = differing(&now.build, &before.build);
    let names = differing(&now.run, &before.run);
    let names: Vec<_> = names.difference(&told).collect();
    let how = |name: &VariableName| match (before.run.get(name), now.run.get(name)) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    let words = names.iter().take(TOLD);
    let words: Vec<String> = words.map(|name| format!("{name} {}", how(name))).collect();
    let more = match names.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!words.is_empty()).then(|| format!("{}{more}", words.join(", ")))
}

/// That there is no network, where there is none: the build may do otherwise then, so it is part of
/// the slug's key.
fn offline(application: &Application, host: BuildNetwork) -> Option<(String, String)> {
    match application.build.network.and(host) {
        BuildNetwork::Full => None,
        BuildNetwork::None => Some(("WHARF_BUILD_NETWORK".into(), "none".into())),
    }
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
    let seen = seen(application, &given, &set, act.settings.host.network);
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
    variables.extend(offline(application, act.settings.host.network));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::variables::{Hidden, One};

    fn given(build: &[(&str, &str)], run: &[(&str, &str)]) -> Given {
        let all = |list: &[(&str, &str)]| {
            let one = |(name, value): &(&str, &str)| {
                let value = Hidden((*value).to_owned());
                let secret = false;
                (VariableName::parse(name).unwrap(), One { value, secret })
            };
            list.iter().map(one).collect()
        };
        Given {
            build: all(build),
            run: all(run),
        }
    }

    #[test]
    fn only_what_no_build_sees_is_told_here_and_no_value() {
        let before = given(&[("BOTH", "1")], &[("A", "1"), ("B", "1"), ("BOTH", "1")]);
        let now = given(&[("BOTH", "2")], &[("B", "2"), ("C", "2"), ("BOTH", "2")]);
        let text = changed(&before, &now).unwrap();
        assert_eq!(text, "A removed, B changed, C added");
        assert_eq!(changed(&now, &now), None);
        let names: Vec<String> = (0..25).map(|number| format!("N{number:02}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let text = changed(&now, &given(&[("BOTH", "2")], &many)).unwrap();
        assert!(text.ends_with("N16 added and 8 more"), "{text}");
    }
}
