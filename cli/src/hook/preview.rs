//! What an installation would change, as a diff of every file.

use std::{fs, path::Path};

use similar::TextDiff;

use super::{
    InstallError, Options,
    plan::{Keep, Plan, Write, plan},
    record::NAME,
    report::kept_name,
    repository::Repository,
};

/// Compares every file as it is with what [`super::install()`] would make of it; empty where nothing
/// would change.
///
/// # Errors
/// [`InstallError`], as the installation's.
pub fn preview(repository: &Path, options: &Options) -> Result<String, InstallError> {
    let repository = Repository::open(repository)?;
    let plan = plan(&repository, options)?;
    let mut text = String::new();
    for hook in &plan.hooks {
        let name = repository.name_of(&hook.path);
        if hook.keep != Keep::Nothing {
            let kept = format!("hooks/{}", kept_name(hook.name));
            text.push_str(&format!("rename from {name}\nrename to {kept}\n"));
        }
        match hook.write {
            Write::Not => {}
            Write::New => text.push_str(&diff(&name, None, Some(&hook.text))),
            Write::Again => {
                let old = read(&hook.path)?;
                text.push_str(&diff(&name, Some(&old), Some(&hook.text)));
            }
        }
    }
    for path in &plan.removed {
        text.push_str(&diff(&repository.name_of(path), Some(&read(path)?), None));
    }
    let (old, new) = configured(&repository, &plan)?;
    text.push_str(&diff("config", Some(&old), Some(&new)));
    let record = plan.noted(old.as_bytes(), new.as_bytes());
    let note = repository.path.join(NAME);
    let old = note.exists().then(|| read(&note)).transpose()?;
    text.push_str(&diff(NAME, old.as_deref(), Some(&record.text())));
    Ok(text)
}

/// The configuration as it is and as it would be: git changes a copy.
fn configured(repository: &Repository, plan: &Plan) -> Result<(String, String), InstallError> {
    let old = read(&repository.config)?;
    let copying = |error| InstallError::disk("copy", &repository.config)(error);
    let directory = tempfile::tempdir().map_err(copying)?;
    let copy = repository.with_config(directory.path().join("config"));
    fs::copy(&repository.config, &copy.config).map_err(copying)?;
    for (key, before) in &plan.reset {
        copy.set(key, before)?;
    }
    for (key, value) in &plan.settings {
        copy.set(key, &[Some((*value).to_owned())])?;
    }
    Ok((old, read(&copy.config)?))
}

fn read(path: &Path) -> Result<String, InstallError> {
    let bytes = fs::read(path).map_err(InstallError::disk("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// As git shows it; nothing where both are the same.
fn diff(name: &str, old: Option<&str>, new: Option<&str>) -> String {
    if old == new {
        return String::new();
    }
    let side = |letter, text: Option<&str>| match text {
        Some(_) => format!("{letter}/{name}"),
        None => "/dev/null".to_owned(),
    };
    TextDiff::from_lines(old.unwrap_or_default(), new.unwrap_or_default())
        .unified_diff()
        .header(&side("a", old), &side("b", new))
        .to_string()
}
