//! Reads `wharf.toml` and fills in what was detected.

use super::{Application, Process, Step, build, committed, deploy, env, mounts, parts, process};
use crate::{
    detect::{self, Package},
    files::Files,
    problem::{Problem, Problems},
    reader::{Reader, Table},
};

const FILE: &str = "wharf.toml";
const DETECTED: &str = "a wharf.toml, an index.html at the top or in public/, a Procfile, \
                        or a package.json with a `start` script";

/// What stands in `wharf.toml`, and which detected parts it leaves room for.
#[derive(Default)]
struct Written {
    app: Application,
    steps: bool,
    deploys: bool,
    workers: bool,
    /// Whether `web` or `public` is there, be it right or wrong.
    serves: bool,
}

pub(super) fn read(files: &Files) -> Result<Application, Problems> {
    let mut problems = Vec::new();
    let written = match files.text(FILE) {
        Ok(None) => Some(Written::default()),
        Ok(Some(text)) => {
            let (written, found) = Reader::new(FILE, text).try_read(written);
            problems.extend(found);
            written.map(|mut written| {
                written.app.sources.push("wharf.toml".to_owned());
                written
            })
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    let procfile = detect::procfile(files, &mut problems);
    let committed = committed::read(files, &mut problems);
    let Some(mut written) = written else {
        return Err(Problems::from_vec(problems).expect("an unread file is a problem"));
    };

    if let Some(committed) = committed {
        let (file, count) = (committed::FILE, committed.len());
        let ending = if count == 1 { "" } else { "s" };
        let sources = &mut written.app.sources;
        sources.push(format!("{file}: {count} variable{ending}"));
        written.app.committed = committed;
    }
    fill_processes(&mut written, procfile, files);
    fill_node(&mut written, files, &mut problems);
    fill_python(&mut written, files);
    let app = &mut written.app;
    if app.web.is_none() && app.workers.is_empty() && !written.serves {
        fill_static(app, files);
    }
    let nothing = app.web.is_none() && app.public.is_none() && app.workers.is_empty();
    if nothing && problems.is_empty() {
        problems.push(nothing_to_serve(files));
    }
    Problems::or(problems, written.app)
}

fn written(table: Table<'_>) -> Written {
    let mut written = Written::default();
    let app = &mut written.app;
    parts::top(&table, app);
    written.serves = app.public.is_some();
    if let Some(item) = table.get("build") {
        app.build = build::build(&item);
        written.steps = build::names_steps(&item);
    }
    if let Some(item) = table.get("deploy") {
        app.deploy = deploy::deploy(&item);
        written.deploys = !app.deploy.run.is_empty();
    }
    if let Some(item) = table.get("assets") {
        app.assets = deploy::assets(&item);
    }
    if let Some(item) = table.get("checks") {
        app.checks = deploy::checks(&item);
    }
    if let Some(item) = table.get("web") {
        app.web = process::process(&item);
        written.serves = true;
    }
    if let Some(item) = table.get("workers") {
        app.workers = process::workers(&item);
        written.workers = true;
    }
    if let Some(item) = table.get("mounts") {
        app.mounts = mounts::mounts(&item);
    }
    if let Some(item) = table.get("env") {
        app.env = env::env(&item);
    }
    table.later(&["services", "crons", "seed", "routes", "front", "network"]);
    table.finish();
    written
}

fn fill_processes(written: &mut Written, procfile: Option<detect::Procfile>, files: &Files) {
    let Some(procfile) = procfile else { return };
    let app = &mut written.app;
    let mut used = Vec::new();
    let mut unused = Vec::new();
    if let Some(start) = procfile.web {
        if app.web.is_none() && !(written.serves && app.public.is_none()) {
            app.web = Some(Process { start });
            used.push("web".to_owned());
        } else {
            unused.push("web".to_owned());
        }
    }
    if !procfile.workers.is_empty() {
        let names = procfile.workers.keys().map(|name| format!("worker {name}"));
        if written.workers {
            unused.extend(names);
        } else {
            used.extend(names);
            app.workers = procfile.workers;
        }
    }
    if let Some(run) = procfile.release {
        if written.deploys {
            unused.push("release".to_owned());
        } else {
            app.deploy.run = vec![Step::new("release", run)];
            used.push("release as deploy command".to_owned());
        }
    }
    if !used.is_empty() {
        app.sources.push(format!("Procfile: {}", used.join(", ")));
    }
    if !unused.is_empty() && files.has_file(FILE) {
        let unused = unused.join(", ");
        app.warnings.push(format!(
            "Procfile: {unused} not used, wharf.toml has its own"
        ));
    }
}

fn fill_node(written: &mut Written, files: &Files, problems: &mut Vec<Problem>) {
    let app = &mut written.app;
    let unserved = app.web.is_none() && app.public.is_none() && !written.serves;
    if !unserved && written.steps {
        return;
    }
    let Some(Package { start, build }) = detect::package(files, problems) else {
        return;
    };
    if unserved && start {
        app.web = Some(Process {
            start: "npm start".to_owned(),
        });
        app.sources.push("package.json: start script".to_owned());
    } else if unserved && build && app.workers.is_empty() {
        let message = "it has a `build` script, but nothing says what to serve";
        let hint = "name the build's output in wharf.toml, such as public = \"dist\", \
                    or add a `start` script";
        problems.push(Problem::new("package.json", "nothing-to-serve", message).hint(hint));
    }
    if written.steps || !(start || build) {
        return;
    }
    let install = if files.has_file("package-lock.json") {
        "npm ci"
    } else {
        "npm install"
    };
    let mut commands = vec![install];
    if build {
        commands.push("npm run build");
    }
    app.sources
        .push(format!("package.json: {}", commands.join(", ")));
    app.build.steps.extend(commands.into_iter().map(plain_step));
}

fn fill_python(written: &mut Written, files: &Files) {
    let app = &mut written.app;
    let runs = app.web.is_some() || !app.workers.is_empty();
    if written.steps || !runs {
        return;
    }
    let Some((file, install)) = detect::python(files) else {
        return;
    };
    app.sources
        .push(format!("{file}: virtual environment in /app/.venv"));
    app.build
        .steps
        .extend(["python3 -m venv /app/.venv", install].map(plain_step));
}

fn fill_static(app: &mut Application, files: &Files) {
    let Some((file, public)) = detect::public(files) else {
        return;
    };
    app.sources.push(format!("{file}: static site"));
    app.public = Some(public);
}

fn plain_step(run: &str) -> Step {
    Step::new(run, run)
}

fn nothing_to_serve(files: &Files) -> Problem {
    let seen = |file: &&str| files.has_file(file);
    match [FILE, "Procfile", "package.json"]
        .iter()
        .copied()
        .find(seen)
    {
        Some(file) => Problem::new(file, "nothing-to-serve", "nothing says what to serve").hint(
            "write in wharf.toml: public = \"DIR\" for a static site, or web = \"COMMAND\" \
             for a process that listens on PORT",
        ),
        None => Problem::new(FILE, "nothing-to-deploy", "there is nothing here to deploy")
            .hint(format!("add {DETECTED}")),
    }
}
