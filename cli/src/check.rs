//! `wharf check`: what a push of this directory would be told.

use std::path::Path;

use serde_json::{Map, Value};
use wharf_config::application::Application;
use wharf_wire::outcome::Exit;

use crate::{
    failure::{self, Failure, plain},
    record::{Checked, Wrong},
    show,
};

/// How wide problems are drawn where there is no terminal, as in a push's output.
const WIDTH: usize = 72;

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
        show::json(&Checked {
            directory,
            application: read.as_ref().ok().map(form).transpose()?,
            problems: match &read {
                Ok(_) => Vec::new(),
                Err(problems) => problems.iter().map(Wrong::from).collect(),
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

/// The application as releases keep it.
fn form(application: &Application) -> Result<Map<String, Value>, Failure> {
    let cannot = |cause| Failure::new(Exit::Failed, "cannot write JSON").because(cause);
    match serde_json::to_value(application).map_err(cannot)? {
        Value::Object(form) => Ok(form),
        other => Err(Failure::new(
            Exit::Failed,
            format!("an application is no {other}"),
        )),
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
