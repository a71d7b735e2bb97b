//! `wharf-shell`: the forced command of an ssh key, written by `wharf key add`. It also serves as
//! `git-shell-commands/wharf`, where git-shell has already split the words.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::Parser;
use wharf_cli::{
    args,
    failure::{self, Failure},
    hooks,
    shell::{self, Request},
};
use wharf_wire::{
    hook::{CLAIMS, KEY},
    outcome::Exit,
};

/// Serves git and `wharf` to one ssh key; sshd starts it
#[derive(Debug, Parser)]
#[command(name = "wharf-shell", version)]
struct Args {
    /// Whose key it is
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: Option<String>,
    /// Where the daemon's files are, as WHARF_HOME says it
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

fn main() -> ExitCode {
    match serve() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.report(wants_json());
            ExitCode::from(failure.exit.code())
        }
    }
}

fn serve() -> Result<u8, Failure> {
    let (args, request) = if is_git_shell_command() {
        let words = env::args_os()
            .skip(1)
            .map(|word| text(&word))
            .collect::<Result<Vec<_>, _>>()?;
        let words = std::iter::once("wharf".to_owned()).chain(words).collect();
        (
            Args {
                user: None,
                home: None,
            },
            shell::words_of(words)?,
        )
    } else {
        let command = env::var_os("SSH_ORIGINAL_COMMAND").unwrap_or_default();
        (Args::parse(), shell::read(&text(&command)?)?)
    };
    let mut command = match request {
        Request::Greeting => {
            let name = args.user.as_deref().unwrap_or("there");
            failure::note(&format!(
                "Hello {name}! Wharf knows your key, but gives no shell."
            ));
            return Ok(Exit::Ok.code());
        }
        Request::Say(said, code) => {
            eprint!("{said}");
            return Ok(code);
        }
        Request::Git { service, path } => {
            let mut git = Command::new("git");
            git.args([service, &path]);
            git
        }
        Request::Wharf(words) => {
            let mut wharf = Command::new(hooks::binaries()?.join("wharf"));
            wharf.args(words);
            wharf
        }
    };
    surround(&mut command, &args);
    let error = command.exec();
    Err(Failure::new(Exit::Failed, "cannot run what serves this").because(error))
}

/// Nothing that decides who somebody is, or where git and Wharf look, comes from the client.
fn surround(command: &mut Command, args: &Args) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let theirs = text.starts_with("WHARF_")
            || (text.starts_with("GIT_") && text != "GIT_PROTOCOL")
            || CLAIMS.contains(&text.as_ref())
            || text == "SSH_ORIGINAL_COMMAND"
            // A key that has a name goes by the name.
            || (text == KEY && args.user.is_some());
        if theirs {
            command.env_remove(name);
        }
    }
    if let Some(user) = &args.user {
        command.env("WHARF_USER", user);
    }
    if let Some(home) = &args.home {
        command.env("WHARF_HOME", home);
    }
    // Paths of ssh URLs are relative to the account's home directory.
    if let Some(home) = env::home_dir().filter(|home| home.is_dir()) {
        command.current_dir(home);
    }
}

/// Whether a program asks, which is told in JSON what goes wrong.
fn wants_json() -> bool {
    let words: Vec<OsString> = match is_git_shell_command() {
        true => env::args_os().collect(),
        false => {
            let command = env::var_os("SSH_ORIGINAL_COMMAND").unwrap_or_default();
            let words = command
                .to_str()
                .and_then(|text| shell_words::split(text).ok());
            words
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect()
        }
    };
    args::wants_json(&words)
}

fn is_git_shell_command() -> bool {
    let name = env::args_os().next().unwrap_or_default();
    Path::new(&name)
        .file_name()
        .is_some_and(|name| name == "wharf")
}

fn text(word: &OsStr) -> Result<String, Failure> {
    word.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(Exit::Refused, "the command is not UTF-8"))
}
