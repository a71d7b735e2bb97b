//! What commands and processes find in their environment.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use wharf_config::application::{Application, Value};

use super::activity::Act;
use super::failure::Failure;

/// Where build caches are in the sandbox.
pub const CACHE: &str = "/cache";
/// Bytes of a generated secret.
const SECRET: usize = 32;

type Variables = BTreeMap<String, String>;

/// What a build sees of the application's own variables: only plain ones, and they count for the
/// slug's key.
pub fn for_key(application: &Application) -> Variables {
    application
        .env
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Plain(value) => Some((name.to_string(), value.clone())),
            Value::Generate | Value::Required { .. } => None,
        })
        .collect()
}

/// What a build sees: the key's variables, the caches, and what the operator passes on.
pub fn for_build(act: &Act, application: &Application) -> Variables {
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
    variables.extend(for_key(application));
    variables
}

/// What deploy commands and processes see: the application's variables with the environment's own
/// secrets, and where they are.
///
/// # Errors
/// When a secret cannot be recorded.
pub async fn for_release(
    act: &Act,
    application: &Application,
    release: u32,
    commit: &str,
) -> Result<Variables, Failure> {
    let mut variables = for_key(application);
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
    for (name, value) in [
        ("WHARF_PROJECT", act.project.name.to_string()),
        ("WHARF_ENVIRONMENT", act.key().id.to_string()),
        (
            "WHARF_ENVIRONMENT_TYPE",
            act.environment.kind.as_str().to_owned(),
        ),
        ("WHARF_BRANCH", act.branch().to_string()),
        ("WHARF_COMMIT", commit.to_owned()),
        ("WHARF_RELEASE", release.to_string()),
        ("WHARF_URL", act.url()),
    ] {
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}
