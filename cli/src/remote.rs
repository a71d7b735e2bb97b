//! From a laptop: the same command, run by the machine that the remote's ssh URL names.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use wharf_wire::{ask::Scope, outcome::Exit};

use crate::{
    archive::{self, Target},
    args::{self, Global, Mount, Slug, Snapshot},
    attend, config, database,
    failure::{self, Failure},
    git,
    mount::Far,
    scope::Remote,
    variable,
};

/// What ssh exits with when it could not do its own part.
const SSH_FAILED: i32 = 255;

/// Runs the command over there, with this process's output, and returns its exit status.
///
/// # Errors
/// The command makes no sense there, or the machine cannot be reached.
pub fn run(
    directory: &Path,
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
    let sits = command.is_attended() && attend::is_at_a_terminal();
    let mut ssh = ssh(remote, sits)?;
    ssh.arg(line(scope, global.json, words));
    let status = match command {
        args::Command::Variable(args::variable::Variable::Set(set)) => {
            sending(&mut ssh, &variable::value(set)?)
        }
        args::Command::Config(one) => return written(&mut ssh, remote, directory, one),
        args::Command::Db(args::Database::Dump { output, .. }) => {
            let ended = |status| ended(status, remote);
            return database::dump_there(directory, &mut ssh, output.as_ref(), unrun, ended);
        }
        args::Command::Db(args::Database::Import { file, .. }) => {
            let ended = |status| ended(status, remote);
            return database::import_there(directory, &mut ssh, file, unrun, ended);
        }
        attended if attended.is_attended() => return attending(&mut ssh, sits),
        args::Command::Slug(Slug::Import { file }) => ssh
            .stdin(archive::source(directory, file.as_ref(), archive::IMPORT)?)
            .status(),
        args::Command::Mount(Mount::Download(one)) => {
            let far = Far::at(directory);
            return far.download(&mut ssh, one, |status| ended(status, remote));
        }
        args::Command::Mount(Mount::Upload(one)) => {
            let far = Far::at(directory);
            return far.upload(&mut ssh, one, |status| ended(status, remote));
        }
        args::Command::Slug(Slug::Export { output, .. })
        | args::Command::Snapshot(Snapshot::Export { output, .. }) => {
            let what = match command {
                args::Command::Snapshot(_) => archive::SNAPSHOT,
                _ => archive::SLUG,
            };
            let mut target = Target::open(directory, output.as_ref(), what)?;
            let status = ssh.stdin(Stdio::null()).stdout(target.stdio()?).status();
            let code = ended(status.map_err(unrun)?, remote)?;
            if code == Exit::Ok.code() {
                target.keep()?;
            }
            return Ok(code);
        }
        _ => ssh.stdin(Stdio::null()).status(),
    };
    ended(status.map_err(unrun)?, remote)
}

/// Runs it with this process's own input. Whatever it exits with may be the command's own: of what
/// ssh itself could not do, it has said why.
fn attending(ssh: &mut Command, sits: bool) -> Result<u8, Failure> {
    let status = ssh.status().map_err(unrun)?;
    let Some(code) = status.code() else {
        return Err(Failure::new(Exit::Failed, "ssh was killed"));
    };
    if sits && code == SSH_FAILED {
        failure::hint(
            "where ssh was given no terminal: older lines of authorized_keys say `restrict`, not \
             `restrict,pty`; the operator takes the key away and adds it again with wharf key",
        );
    }
    Ok(u8::try_from(code).unwrap_or(Exit::Failed.code()))
}

/// Runs it with a text on its standard input.
fn sending(ssh: &mut Command, text: &str) -> io::Result<ExitStatus> {
    let mut child = ssh.stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // Whoever ends without reading says why by itself.
        drop(input.write_all(text.as_bytes()));
    }
    child.wait()
}

/// Runs it, and writes what it prints to where this machine wants it.
fn written(
    ssh: &mut Command,
    remote: &Remote,
    directory: &Path,
    one: &args::variable::Config,
) -> Result<u8, Failure> {
    ssh.stdin(Stdio::null());
    if config::target(directory, one)?.is_none() {
        return ended(ssh.status().map_err(unrun)?, remote);
    }
    let output = ssh.stderr(Stdio::inherit()).output().map_err(unrun)?;
    let code = ended(output.status, remote)?;
    if code == Exit::Ok.code() {
        config::deliver(directory, one, &output.stdout)?;
    }
    Ok(code)
}

fn unrun(error: io::Error) -> Failure {
    Failure::new(Exit::Unreachable, "cannot run ssh").because(error)
}

fn ended(status: ExitStatus, remote: &Remote) -> Result<u8, Failure> {
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
/// `GIT_SSH`, a program; else `ssh`. The host comes last; what it runs is added by the caller. Over
/// there it has a terminal if it `sits` at one here.
fn ssh(remote: &Remote, sits: bool) -> Result<Command, Failure> {
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
    if sits {
        ssh.arg("-t");
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
