//! `wharf check`: what a push of this directory would be told.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wharf_config::{application::Application, problem::Problem};
use wharf_wire::outcome::Exit;

use crate::{
    failure::{self, Failure, plain},
    show,
};

/// How wide problems are drawn where there is no terminal, as in a push's output.
const WIDTH: usize = 72;

/// What scripts read.
#[derive(Debug, Serialize)]
struct Record<'a> {
    directory: PathBuf,
    application: Option<&'a Application>,
    problems: Vec<ProblemRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct ProblemRecord<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    code: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> From<&'a Problem> for ProblemRecord<'a> {
    fn from(problem: &'a Problem) -> Self {
        let place = problem.position();
        ProblemRecord {
            file: &problem.file,
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            code: problem.code,
            message: &problem.message,
            hint: problem.hint.as_deref(),
        }
    }
}

/// Reads the application's configuration and says what it means, or everything that is wrong.
///
/// # Errors
/// There is no such directory.
pub fn run(directory: &Path, json: bool) -> Result<Exit, Failure> {
    let directory = directory.canonicalize().map_err(|error| {
        Failure::new(
            Exit::NotFound,
            format!("no directory {}", directory.display()),
        )
        .because(error)
    })?;
    let read = wharf_config::check(&directory);
    if json {
        show::json(&Record {
            directory,
            application: read.as_ref().ok(),
            problems: match &read {
                Ok(_) => Vec::new(),
                Err(problems) => problems.iter().map(ProblemRecord::from).collect(),
            },
        })?;
    }
    match read {
        Ok(application) => {
            if !json {
                show::data(draw(&application).as_bytes())?;
                for text in &application.warnings {
                    failure::warning(text);
                }
            }
            Ok(Exit::Ok)
        }
        Err(problems) => {
            if !json {
                let drawn = problems.render(WIDTH);
                drawn.lines().for_each(failure::spoken);
            }
            Ok(Exit::Failed)
        }
    }
}

fn draw(application: &Application) -> String {
    let mut rows: Vec<(&str, String)> = application
        .sources
        .iter()
        .map(|text| ("read", text.clone()))
        .collect();
    if let Some(public) = &application.public {
        rows.push(("public", public.as_str().to_owned()));
    }
    rows.extend(
        application
            .build
            .steps
            .iter()
            .map(|step| ("build", step.run.clone())),
    );
    rows.extend(
        application
            .deploy
            .run
            .iter()
            .map(|step| ("deploy", step.run.clone())),
    );
    rows.extend(application.web.iter().map(|web| ("web", web.start.clone())));
    for (name, worker) in &application.workers {
        rows.push(("worker", format!("{name}: {}", worker.start)));
    }
    rows.extend(
        application
            .deploy
            .after
            .iter()
            .map(|step| ("after", step.run.clone())),
    );
    rows.extend(
        application
            .mounts
            .keys()
            .map(|path| ("mount", path.as_str().to_owned())),
    );
    rows.iter()
        .map(|(word, text)| format!("{word:<8}{}\n", plain(text)))
        .collect()
}
