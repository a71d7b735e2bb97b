//! From a laptop: the same command, run by the machine that the remote's ssh URL names.

use std::{
    env,
    ffi::OsString,
    process::{Command, Stdio},
};

use wharf_wire::{ask::Scope, outcome::Exit};

use crate::{
    args::{self, Global},
    failure::Failure,
    git,
    scope::Remote,
};

/// What ssh exits with when it could not do its own part.
const SSH_FAILED: i32 = 255;

/// Runs the command over there, with this process's output, and returns its exit status.
///
/// # Errors
/// The command makes no sense there, or the machine cannot be reached.
pub fn run(
    remote: &Remote,
    scope: &Scope,
    global: &Global,
    command: &args::Command,
) -> Result<u8, Failure> {
    let Some(words) = command.remote_words() else {
        return Err(Failure::usage(format!(
            "this command asks no other host, such as {}",
            remote.host
        ))
        .hint("run it on the host, or ask this machine's daemon with: --here"));
    };
    let status = ssh(remote)?
        .arg(line(scope, global.json, words))
        .stdin(Stdio::null())
        .status()
        .map_err(|error| Failure::new(Exit::Unreachable, "cannot run ssh").because(error))?;
    match status.code() {
        Some(SSH_FAILED) => Err(Failure::new(
            Exit::Unreachable,
            format!("ssh could not ask {}", remote.host),
        )
        .hint(format!("try: ssh {} wharf status", remote.host))
        .hint("or ask this machine's daemon with: --here")),
        Some(code) => Ok(u8::try_from(code).unwrap_or(Exit::Failed.code())),
        None => Err(Failure::new(Exit::Failed, "ssh was killed")),
    }
}

/// The words after `wharf` that ask the same there.
pub fn words(scope: &Scope, json: bool, command: Vec<String>) -> Vec<String> {
    let mut words = Vec::new();
    for (flag, value) in [
        ("--project", &scope.project),
        ("--repository", &scope.repository),
        ("--environment", &scope.environment),
    ] {
        if let Some(value) = value {
            // One word, so that a value which begins with `-` stays a value.
            words.push(format!("{flag}={value}"));
        }
    }
    if json {
        words.push("--json".to_owned());
    }
    words.extend(command);
    words
}

/// The command line for the far side, quoted for its shell or for `wharf-shell`.
fn line(scope: &Scope, json: bool, command: Vec<String>) -> String {
    let words = words(scope, json, command);
    shell_words::join(std::iter::once("wharf".to_owned()).chain(words))
}

/// ssh as git would run it: `GIT_SSH_COMMAND` or `core.sshCommand`, which are shell text; else
/// `GIT_SSH`, a program; else `ssh`. The host comes last; what it runs is added by the caller.
fn ssh(remote: &Remote) -> Result<Command, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let text = match set("GIT_SSH_COMMAND") {
        Some(text) => Some(text),
        None => git::config(&remote.top, "core.sshCommand")?.map(OsString::from),
    };
    let mut ssh = match text {
        Some(mut text) => {
            let mut shell = Command::new("sh");
            let name = text.clone();
            text.push(" \"$@\"");
            shell.arg("-c").arg(text).arg(name);
            shell
        }
        None => Command::new(set("GIT_SSH").unwrap_or_else(|| "ssh".into())),
    };
    if let Some(port) = remote.port {
        ssh.arg("-p").arg(port.to_string());
    }
    ssh.arg(&remote.host);
    Ok(ssh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_quoted_for_the_far_side() {
        let scope = Scope {
            project: None,
            repository: Some("it's; rm -rf ~".into()),
            environment: Some("-rf".into()),
        };
        let line = line(
            &scope,
            true,
            vec!["log".into(), "--".into(), "$(id)".into()],
        );
        let words = shell_words::split(&line).unwrap();
        assert_eq!(
            words,
            [
                "wharf",
                "--repository=it's; rm -rf ~",
                "--environment=-rf",
                "--json",
                "log",
                "--",
                "$(id)"
            ]
        );
        let parsed = args::parse(words.into_iter().map(OsString::from)).unwrap();
        assert_eq!(parsed.global.environment.as_deref(), Some("-rf"));
    }
}
