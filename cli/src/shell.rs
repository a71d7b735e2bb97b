//! What somebody who comes with an ssh key may run: git's own services, and `wharf`'s questions.

use std::ffi::OsString;

use wharf_wire::{ask::Scope, outcome::Exit};

use crate::{args, failure::Failure, remote};

/// The longest command that is read; a path has at most 4,096 bytes.
pub const MAX: usize = 8 * 1024;
/// Arguments of git's services: one path.
const SERVICES: [&str; 3] = ["receive-pack", "upload-pack", "upload-archive"];

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Nothing: somebody tries whether the key works.
    Greeting,
    /// One of git's services, without `git`, for a repository.
    Git {
        /// `receive-pack`, `upload-pack` or `upload-archive`.
        service: &'static str,
        /// The repository as the URL names it. Never begins with `-`.
        path: String,
    },
    /// The words after `wharf`.
    Wharf(Vec<String>),
    /// Text that clap made: help, or what is wrong with the words.
    Say(String, u8),
}

/// Reads a command as ssh passes it on.
///
/// # Errors
/// It is not one that is served.
pub fn read(command: &str) -> Result<Request, Failure> {
    if command.len() > MAX {
        return Err(Failure::new(Exit::Refused, "the command is too long"));
    }
    let words = shell_words::split(command)
        .map_err(|error| Failure::new(Exit::Refused, "cannot read the command").because(error))?;
    words_of(words)
}

/// Reads a command that is split already.
///
/// # Errors
/// As [`read`].
pub fn words_of(words: Vec<String>) -> Result<Request, Failure> {
    let mut rest = words.into_iter();
    let Some(first) = rest.next() else {
        return Ok(Request::Greeting);
    };
    let mut rest: Vec<String> = rest.collect();
    let service = match first.as_str() {
        "wharf" => return wharf(rest),
        "git" if !rest.is_empty() => rest.remove(0),
        other => match other.strip_prefix("git-") {
            Some(service) => service.to_owned(),
            None => return Err(refused(&first)),
        },
    };
    let Some(service) = SERVICES.into_iter().find(|known| *known == service) else {
        return Err(refused(&format!("git {service}")));
    };
    match <[String; 1]>::try_from(rest) {
        // git's services would take such a path for an option.
        Ok([path]) if !path.is_empty() && !path.starts_with('-') => {
            Ok(Request::Git { service, path })
        }
        Ok(_) | Err(_) => Err(Failure::new(
            Exit::Refused,
            format!("git {service} takes one repository"),
        )),
    }
}

/// Reads `wharf`'s own words by its own rules, and writes them anew.
fn wharf(words: Vec<String>) -> Result<Request, Failure> {
    let line = std::iter::once("wharf".to_owned()).chain(words);
    let line: Vec<OsString> = line.map(OsString::from).collect();
    let json = args::wants_json(&line);
    let wharf = match args::parse(line) {
        Ok(wharf) => wharf,
        Err(error) if json && error.use_stderr() => return Err(error.into()),
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code());
            return Ok(Request::Say(error.render().to_string(), code));
        }
    };
    let Some(command) = wharf.command.remote_words() else {
        return Err(
            Failure::new(Exit::Refused, "this command is for people on the host")
                .hint("from elsewhere: status, environments, activities, activity, log, url,")
                .hint("releases, rollback, redeploy, cancel, project list, branch, merge,")
                .hint("promote, sync, info, delete, variable, config, run, shell"),
        );
    };
    let scope = Scope {
        project: wharf.global.project,
        repository: wharf.global.repository,
        environment: wharf.global.environment,
    };
    let mut words = vec!["--here".to_owned()];
    words.extend(remote::words(&scope, wharf.global.json, command));
    Ok(Request::Wharf(words))
}

fn refused(what: &str) -> Failure {
    let what: String = what.chars().take(60).collect();
    Failure::new(Exit::Refused, format!("`{what}` is not served here"))
        .hint("git push, git fetch and wharf are; there is no shell")
}

#[cfg(test)]
mod tests;
