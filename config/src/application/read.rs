//! Reads `wharf.toml` and fills in what was detected.

use super::{
    Application, At, Process, Protocol, Step, build, committed, crons, deploy, env, locations,
    mounts, parts,
    process::{self, Answers},
    routes, seed, services,
};
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
    problems.extend(unspoken(app));
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
    if let Some(item) = table.get("checks") {
        app.checks = deploy::checks(&item);
    }
    if let Some(item) = table.get("web") {
        app.web = process::process(&item, Answers::With(spoken(app)));
        written.serves = true;
    }
    if let Some(item) = table.get("processes") {
        app.processes = process::processes(&item);
    }
    if let Some(item) = table.get("workers") {
        app.workers = process::workers(&item);
        written.workers = true;
        let double = app
            .processes
            .keys()
            .find(|name| app.workers.contains_key(*name));
        if let Some(name) = double {
            let why = format!("{} is a process too", crate::plain::quoted(name.as_str()));
            item.bad_key("bad-name", why, "give one of the two another name");
        }
    }
    if let Some(item) = table.get("crons") {
        app.crons = crons::crons(&item);
    }
    if let Some(item) = table.get("mounts") {
        let mounts = mounts::mounts(&item);
        (app.mounts, app.quotas) = (mounts.kinds, mounts.quotas);
    }
    if let Some(item) = table.get("seed") {
        app.seed = seed::seed(&item);
    }
    if let Some(item) = table.get("assets") {
        app.assets = deploy::assets(&item, &app.mounts);
    }
    if let Some(item) = table.get("env") {
        app.env = env::env(&item);
    }
    if let Some(item) = table.get("routes") {
        app.routes = routes::routes(&item, app.processes.keys());
    }
    if let Some(item) = table.get("locations") {
        app.locations = locations::locations(&item);
    }
    if let Some(item) = table.get("network") {
        app.network = item.one_of(&process::NETWORK).unwrap_or_default();
    }
    if let Some(item) = table.get("services") {
        app.services = services::services(&item);
    }
    table.finish();
    written
}

/// What a web process speaks that does not say it.
fn spoken(app: &Application) -> Protocol {
    match app.front {
        Some(_) => Protocol::Fastcgi,
        None => Protocol::Http,
    }
}

/// What does not fit together about scripts and the process that runs them.
fn unspoken(app: &Application) -> Option<Problem> {
    let problem = |message| Some(Problem::new(FILE, "missing-key", message));
    let speaks = |process: &Process| process.protocol == Protocol::Fastcgi;
    let web = app.web.as_ref().map(speaks);
    let others = app.processes.values().any(speaks);
    match (web, app.front.is_some(), app.public.is_some()) {
        (None | Some(false), true, _) if !others => {
            let hint = "write web = { start = \"php-fpm -F -y etc/fpm.conf\" }";
            problem("`front` needs a web process that speaks FastCGI").map(|one| one.hint(hint))
        }
        (Some(true), false, false) => {
            let hint = "write public = \"DIRECTORY\", front = \"index.php\", or both";
            problem("nothing says which scripts the web process runs").map(|one| one.hint(hint))
        }
        _ => None,
    }
}

fn fill_processes(written: &mut Written, procfile: Option<detect::Procfile>, files: &Files) {
    let Some(procfile) = procfile else { return };
    let app = &mut written.app;
    let mut used = Vec::new();
    let mut unused = Vec::new();
    if let Some(start) = procfile.web {
        if app.web.is_none() && !(written.serves && app.public.is_none()) {
            let protocol = spoken(app);
            app.web = Some(Process::new(start, protocol).at(in_procfile()));
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
            app.deploy.run = vec![Step::new("release", run).at(in_procfile())];
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

fn in_procfile() -> At {
    At::File("Procfile".to_owned())
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
        let at = At::File("package.json".to_owned());
        app.web = Some(Process::new("npm start", Protocol::Http).at(at));
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
    let step = |run| plain_step("package.json", run);
    app.build.steps.extend(commands.into_iter().map(step));
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
        .extend(["python3 -m venv /app/.venv", install].map(|run| plain_step(file, run)));
}

fn fill_static(app: &mut Application, files: &Files) {
    let Some((file, public)) = detect::public(files) else {
        return;
    };
    app.sources.push(format!("{file}: static site"));
    app.public = Some(public);
}

fn plain_step(file: &str, run: &str) -> Step {
    Step::new(run, run).at(At::File(file.to_owned()))
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
