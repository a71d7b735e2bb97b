//! Reads a `Procfile`: one `NAME: COMMAND` a line, empty lines and lines that begin with `#`.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use crate::{
    application::{At, Process, Protocol},
    files::Files,
    name::ProcessName,
    plain::quoted,
    problem::Problem,
};

const FILE: &str = "Procfile";
const MAX_PROCESSES: usize = 16;
const MAX_COMMAND: usize = 32 * 1024;

/// The processes of a `Procfile`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Procfile {
    pub(crate) web: Option<String>,
    pub(crate) workers: BTreeMap<ProcessName, Process>,
    /// What is run before a release serves.
    pub(crate) release: Option<String>,
}

/// Reads the `Procfile`, if there is one.
pub(crate) fn procfile(files: &Files, problems: &mut Vec<Problem>) -> Option<Procfile> {
    let text: Arc<str> = match files.text(FILE) {
        Ok(text) => text?.into(),
        Err(found) => {
            problems.extend(found);
            return None;
        }
    };
    let mut procfile = Procfile::default();
    let mut seen = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end();
        if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        seen += 1;
        if seen > MAX_PROCESSES {
            let message = format!("there are more than {MAX_PROCESSES} processes");
            problems.push(Problem::new(FILE, "bad-value", message));
            break;
        }
        if let Err((span, why)) = add(&mut procfile, line) {
            let span = start + span.start..start + span.end;
            problems.push(
                Problem::new(FILE, "procfile-syntax", why)
                    .at(&text, span)
                    .hint("each line is NAME: COMMAND, such as web: python3 server.py"),
            );
        }
    }
    Some(procfile)
}

fn add(procfile: &mut Procfile, line: &str) -> Result<(), (Range<usize>, String)> {
    let all = 0..line.len();
    let Some((name, command)) = line.split_once(':') else {
        return Err((all, "the line has no colon".to_owned()));
    };
    let named = 0..name.len().max(1);
    let command = command.trim();
    if command.is_empty() {
        return Err((all, format!("{} has no command", quoted(name))));
    }
    if command.contains('\0') || command.len() > MAX_COMMAND {
        return Err((
            named,
            format!("{} has a command that cannot be run", quoted(name)),
        ));
    }
    let process = ProcessName::parse(name).map_err(|error| (named.clone(), error.to_string()))?;
    let twice = match name {
        "web" => procfile.web.replace(command.to_owned()).is_some(),
        "release" => procfile.release.replace(command.to_owned()).is_some(),
        _ => {
            let at = At::File(FILE.to_owned());
            let worker = Process::new(command, Protocol::Http).at(at);
            procfile.workers.insert(process, worker).is_some()
        }
    };
    match twice {
        true => Err((named, format!("{} is there twice", quoted(name)))),
        false => Ok(()),
    }
}
