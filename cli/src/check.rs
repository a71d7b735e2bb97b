//! `wharf check`: what a push of this directory would be told.

use std::path::Path;

use serde_json::{Map, Value};
use wharf_config::application::{Application, Paths, Route, To};
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
    let assets = application.assets.iter().flat_map(|assets| &assets.run);
    rows.extend(assets.map(|step| ("assets", step.run.clone())));
    let deploy = &application.deploy;
    let install = deploy.install.iter().flat_map(|install| &install.run);
    rows.extend(install.map(|step| ("install", step.run.clone())));
    rows.extend(deploy.run.iter().map(|step| ("deploy", step.run.clone())));
    rows.extend(application.web.iter().map(|web| ("web", web.start.clone())));
    for (name, process) in &application.processes {
        rows.push(("process", format!("{name}: {}", process.start)));
    }
    for (name, worker) in &application.workers {
        rows.push(("worker", format!("{name}: {}", worker.start)));
    }
    for (name, cron) in &application.crons {
        rows.push(("cron", format!("{name}: {} {}", cron.schedule, cron.run)));
    }
    let checks = application.checks.iter();
    rows.extend(checks.map(|step| ("check", format!("{}: {}", step.name, step.run))));
    rows.extend(deploy.after.iter().map(|step| ("after", step.run.clone())));
    rows.extend(
        application
            .mounts
            .keys()
            .map(|path| ("mount", path.as_str().to_owned())),
    );
    rows.extend(
        application
            .routes
            .iter()
            .map(|route| ("route", shown(route))),
    );
    rows.iter()
        .map(|(word, text)| format!("{word:<8}{}\n", plain(text)))
        .collect()
}

/// A route, in the words of `wharf.toml`.
fn shown(route: &Route) -> String {
    let label = route.label.iter().map(|label| format!("{label}."));
    let label: String = label.collect();
    let (Paths::Below(path) | Paths::Like(path)) = &route.path;
    let to = match &route.to {
        To::Web => "web".to_owned(),
        To::Process(name) => name.to_string(),
        To::Redirect { to, code } => format!("{to} ({code})"),
    };
    format!("https://{label}{{default}}{path} -> {to}")
}
