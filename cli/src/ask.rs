//! The commands that the daemon answers.

mod crons;
mod moves;
mod slugs;
mod snapshots;

use std::path::Path;

use serde::Serialize;
use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Cleanup, LogForm, Scope, SlugUse},
    outcome::Exit,
    view::{Environment, Item},
};

use crate::{
    act::act,
    archive,
    args::{self, Command, Database, Global, Mount, Project, Slug, Snapshot},
    attend, config, daemon, database,
    failure::{self, Failure},
    follow::{self, Lines},
    grant, hooks, mount,
    record::Address,
    remote,
    scope::{self, Wants, Whereto},
    show::{self, activities, environments, releases, removals, status, tried, when},
    variable, wait,
};

/// Finds out where to ask, asks, prints the answer; returns the exit status.
///
/// # Errors
/// Any of those.
pub fn run(directory: &Path, global: &Global, command: &Command) -> Result<u8, Failure> {
    match scope::find(directory, global, wants(command))? {
        Whereto::There(remote, scope) => remote::run(directory, &remote, &scope, global, command),
        Whereto::Here(scope) => {
            let place = daemon::place()?;
            let exit = match command {
                Command::Variable(one) => variable::answer(&place, scope, global.json, one),
                Command::Config(one) => config::answer(directory, &place, scope, global.json, one),
                Command::Run { command } => {
                    return attend::run(&place, scope, Some(command.clone()));
                }
                Command::Shell => return attend::run(&place, scope, None),
                Command::Db(Database::Shell { service }) => {
                    return database::shell(&place, scope, service.clone());
                }
                Command::Db(Database::Dump { service, output }) => {
                    let output = output.as_ref();
                    return database::dump(directory, &place, scope, service.clone(), output);
                }
                Command::Db(Database::Import { service, file }) => {
                    let service = service.clone();
                    database::import(directory, &place, scope, service, file, global.json)
                }
                Command::Slug(Slug::Export { slug, output }) => {
                    archive::export(directory, &place, scope, slug.as_ref(), output.as_ref())
                }
                Command::Slug(Slug::Import { file }) => {
                    archive::import(directory, &place, scope, global.json, file.as_ref())
                }
                Command::Mount(Mount::Download(one)) => {
                    mount::download(directory, &place, scope, one)
                }
                Command::Mount(Mount::Upload(one)) => {
                    mount::upload(directory, &place, scope, global.json, one)
                }
                Command::Snapshot(Snapshot::Export { id, part, output }) => {
                    let wanted = archive::Wanted {
                        id,
                        part: part.as_ref(),
                    };
                    archive::export_snapshot(directory, &place, scope, wanted, output.as_ref())
                }
                _ => answer(&place, scope, global.json, command),
            };
            exit.map(Exit::code)
        }
    }
}

fn wants(command: &Command) -> Wants {
    match command {
        Command::Environments
        | Command::Activities { .. }
        | Command::Slugs
        | Command::Slug(Slug::Import { .. })
        | Command::Snapshot(Snapshot::List | Snapshot::Export { .. } | Snapshot::Delete { .. }) => {
            Wants::Project
        }
        // Where nothing says which, the project's rule says what its parent is.
        Command::Branch(_) | Command::Config(args::variable::Config::Diff { .. }) => Wants::Project,
        Command::Variable(variable) if !variable.at().is_own() => Wants::Project,
        Command::Log(args::Log { id: None, .. })
        | Command::Url { .. }
        | Command::Releases
        | Command::Crons { .. }
        | Command::Slug(_)
        | Command::Mount(_)
        | Command::Snapshot(_)
        | Command::Run { .. }
        | Command::Shell
        | Command::Db(_)
        | Command::Rollback { .. }
        | Command::Deploy { .. }
        | Command::Redeploy { .. }
        | Command::Activate
        | Command::Deactivate
        | Command::Pause
        | Command::Resume
        | Command::Maintenance { .. }
        | Command::Seed
        | Command::Data(_)
        | Command::Merge
        | Command::Promote
        | Command::Sync { .. }
        | Command::Delete { .. }
        | Command::Variable(_)
        | Command::Config(_)
        | Command::Info { .. } => Wants::Environment,
        _ => Wants::Machine,
    }
}

fn answer(place: &Place, scope: Scope, json: bool, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Status => {
            let (items, exit) = daemon::records(place, Ask::Status)?;
            let found = pick(items, |item| match item {
                Item::Status(status) => Some(status),
                _ => None,
            });
            for status in &found {
                print(json, status, || status::draw(status))?;
            }
            Ok(exit)
        }
        Command::Project(Project::List) => {
            let (items, exit) = daemon::records(place, Ask::Projects)?;
            let found = pick(items, |item| match item {
                Item::Project(project) => Some(project),
                _ => None,
            });
            print_all(
                json,
                &found,
                "no projects yet; go to a work tree and run: wharf init",
                || status::draw_projects(&found, show::width()),
            )?;
            Ok(exit)
        }
        Command::Environments => {
            let (found, exit) = environments(place, scope)?;
            print_all(
                json,
                &found,
                "no environments yet, or none that you may look at; push a branch",
                || environments::draw(&found, when::now(), show::width()),
            )?;
            Ok(exit)
        }
        Command::Activities { limit } => {
            let (items, exit) = daemon::records(
                place,
                Ask::Activities {
                    scope,
                    limit: *limit,
                },
            )?;
            let found = pick(items, |item| match item {
                Item::Activity(activity) => Some(activity),
                _ => None,
            });
            print_all(json, &found, "nothing happened yet", || {
                activities::draw(&found, when::now(), show::width())
            })?;
            Ok(exit)
        }
        Command::Activity(args::Activity::Show { id }) => {
            let activity = id.clone();
            let (items, exit) = daemon::records(place, Ask::Activity { activity })?;
            let found = pick(items, |item| match item {
                Item::Activity(activity) => Some(activity),
                _ => None,
            });
            for one in &found {
                print(json, one, || {
                    activities::draw_one(one, when::now(), show::width())
                })?;
            }
            Ok(exit)
        }
        Command::Activity(args::Activity::Wait { id, timeout }) => {
            wait::wait(place, id, *timeout, json)
        }
        Command::Activity(_) => unreachable!("it is named by its shorter name"),
        Command::Releases => {
            let (items, exit) = daemon::records(place, Ask::Releases(scope))?;
            let found = pick(items, |item| match item {
                Item::Release(release) => Some(release),
                _ => None,
            });
            print_all(json, &found, "no releases yet; push the branch", || {
                releases::draw(&found, when::now(), show::width())
            })?;
            Ok(exit)
        }
        Command::Crons { what: None } => crons::list(place, scope, json),
        Command::Crons {
            what: Some(args::Crons::Run { name }),
        } => {
            let name = name.clone();
            act(place, Ask::RunCron { scope, name }, json)
        }
        Command::Slugs => slugs::list(place, scope, json),
        Command::Slug(args::Slug::Why { release }) => slugs::why(place, scope, json, *release),
        Command::Mount(Mount::List) => mounts(place, scope, json, None, false),
        Command::Mount(Mount::Size { path }) => mounts(place, scope, json, path.clone(), true),
        Command::Url { grant: None } => url(place, scope, json),
        Command::Url { grant: Some(time) } => grant::grant(place, scope, *time, json),
        Command::Log(log) => self::log(place, scope, json, log),
        Command::Rollback { release } => act(
            place,
            Ask::Rollback {
                scope,
                release: *release,
            },
            json,
        ),
        Command::Deploy { commit } => {
            let commit = commit.clone();
            act(place, Ask::Deploy { scope, commit }, json)
        }
        Command::Redeploy { rebuild, now } => {
            let slug = if *rebuild {
                SlugUse::Rebuild
            } else {
                SlugUse::Reuse
            };
            let now = *now;
            act(place, Ask::Redeploy { scope, slug, now }, json)
        }
        Command::Snapshot(snapshot) => snapshots::answer(place, scope, json, snapshot),
        Command::Activate => act(place, Ask::Activate(scope), json),
        Command::Deactivate => act(place, Ask::Deactivate(scope), json),
        Command::Pause => act(place, Ask::Pause(scope), json),
        Command::Resume => act(place, Ask::Resume(scope), json),
        Command::Seed => act(place, Ask::Seed(scope), json),
        Command::Data(args::Data::Reset) => act(place, Ask::ResetData(scope), json),
        Command::Maintenance { to } => {
            let on = *to == args::Switch::On;
            act(place, Ask::Maintenance { scope, on }, json)
        }
        Command::Branch(_)
        | Command::Merge
        | Command::Promote
        | Command::Sync { .. }
        | Command::Delete { .. }
        | Command::Info { .. } => moves::answer(place, scope, json, command),
        Command::Approve { id, now } => act(
            place,
            Ask::Approve {
                activity: id.clone(),
                now: *now,
            },
            json,
        ),
        Command::Cancel { id } => act(
            place,
            Ask::Cancel {
                activity: id.clone(),
            },
            json,
        ),
        Command::Reload => {
            let exit = follow::lines(place, Ask::Reload, Lines::Talk)?;
            hooks::refresh(place, &[])?;
            Ok(exit)
        }
        Command::Cleanup { dry_run } => clean_up(place, json, *dry_run),
        Command::Notify(args::Notify::Test { name }) => {
            let (project, name) = (scope.project, name.clone());
            let (items, exit) = daemon::records(place, Ask::NotifyTest { project, name })?;
            let found = pick(items, |item| match item {
                Item::Tried(tried) => Some(tried),
                _ => None,
            });
            print(json, &found, || tried::draw(&found))?;
            Ok(exit)
        }
        Command::Variable(_)
        | Command::Config(_)
        | Command::Run { .. }
        | Command::Shell
        | Command::Db(_)
        | Command::Slug(Slug::Export { .. } | Slug::Import { .. })
        | Command::Mount(Mount::Download(_) | Mount::Upload(_))
        | Command::Init { .. }
        | Command::Project(Project::Add { .. })
        | Command::Check { .. }
        | Command::Hook(_)
        | Command::Key(_)
        | Command::Start { .. }
        | Command::Admin(_)
        | Command::Doctor
        | Command::Schema { .. }
        | Command::Completions { .. }
        | Command::Man { .. } => unreachable!("another part answers it"),
    }
}

fn mounts(
    place: &Place,
    scope: Scope,
    json: bool,
    path: Option<String>,
    used: bool,
) -> Result<Exit, Failure> {
    let (items, exit) = daemon::records(place, Ask::Mounts { scope, path, used })?;
    let found = pick(items, |item| match item {
        Item::Mount(mount) => Some(mount),
        _ => None,
    });
    print_all(json, &found, "it has no mounts", || {
        show::mounts::draw(&found, show::width())
    })?;
    Ok(exit)
}

fn environments(place: &Place, scope: Scope) -> Result<(Vec<Environment>, Exit), Failure> {
    let (items, exit) = daemon::records(place, Ask::Environments(scope))?;
    let found = pick(items, |item| match item {
        Item::Environment(environment) => Some(environment),
        _ => None,
    });
    Ok((found, exit))
}

fn clean_up(place: &Place, json: bool, dry_run: bool) -> Result<Exit, Failure> {
    let wanted = if dry_run {
        Cleanup::Look
    } else {
        Cleanup::Remove
    };
    let (items, exit) = daemon::records(place, Ask::Cleanup(wanted))?;
    let found = pick(items, |item| match item {
        Item::Removal(removal) => Some(removal),
        _ => None,
    });
    print_all(json, &found, "nothing is past retention", || {
        removals::draw(&found, wanted, show::width())
    })?;
    Ok(exit)
}

fn url(place: &Place, scope: Scope, json: bool) -> Result<Exit, Failure> {
    let (found, _) = environments(place, scope)?;
    // One that may not be seen is not told of.
    let one = found.first().ok_or_else(|| {
        Failure::new(Exit::NotFound, "there is no such environment")
            .code("unknown-environment")
            .hint("see them with: wharf environments")
    })?;
    let Some(url) = &one.url else {
        return Err(
            Failure::new(Exit::NotFound, format!("nothing serves `{}` yet", one.id))
                .code("not-live")
                .hint(format!("see why with: wharf log -e {}", one.id)),
        );
    };
    let record = Address {
        project: one.project.clone(),
        environment: one.id.clone(),
        url: url.clone(),
    };
    print(json, &record, || format!("{}\n", failure::plain(url)))?;
    Ok(Exit::Ok)
}

fn log(place: &Place, scope: Scope, json: bool, log: &args::Log) -> Result<Exit, Failure> {
    if log.app {
        return follow::bytes(place, Ask::AppLog { scope });
    }
    let ask = |form| Ask::Log {
        activity: log.id.clone(),
        scope: scope.clone(),
        follow: log.follow,
        form,
    };
    match (log.raw, json) {
        (true, _) => follow::bytes(place, ask(LogForm::Raw)),
        (false, true) => follow::events(place, ask(LogForm::Events)),
        (false, false) => follow::lines(place, ask(LogForm::Text), Lines::Data),
    }
}

/// As [`print`]; that there is nothing is talk, not data.
fn print_all<T: Serialize>(
    json: bool,
    records: &[T],
    nothing: &str,
    draw: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if records.is_empty() && !json {
        failure::note(nothing);
        return Ok(());
    }
    print(json, &records, draw)
}

fn print<T: Serialize>(
    json: bool,
    records: &T,
    draw: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if json {
        show::json(records)
    } else {
        show::data(draw().as_bytes())
    }
}

/// Keeps the records of one kind.
pub(crate) fn pick<T>(items: Vec<Item>, kind: impl Fn(Item) -> Option<T>) -> Vec<T> {
    items.into_iter().filter_map(kind).collect()
}
