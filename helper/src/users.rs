//! Who runs what: a user for each environment, which it keeps, and one for each build, for as long.
//!
//! A user is a number. Nothing on the disk belongs to it: idmapped mounts show the daemon's files as
//! its own.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
    process::{Command, Stdio},
    time::SystemTime,
};

use wharf_sandbox::{
    id::Id,
    place,
    sandbox::User,
    users::{self, Used, Users, UsersError},
};

use crate::{AnyError, at, mounts};

/// The range that this host has had, or gets now.
///
/// # Errors
/// When there is none, or it cannot be kept.
pub(crate) fn open() -> Result<Users, AnyError> {
    let path = place::range();
    if let Some(start) = read(&path)? {
        return Ok(Users::starting(start));
    }
    let users = Users::free(&users::taken()?)?;
    write_new(&path, users.first())?;
    Ok(users)
}

/// The user of a job.
///
/// # Errors
/// When there is none left, or it cannot be kept.
pub(crate) fn of(users: &Users, user: &User, job: &Id) -> Result<u32, AnyError> {
    match user {
        User::Build => of_build(users, job),
        User::Environment(environment) => of_environment(users, environment),
    }
}

fn of_build(users: &Users, job: &Id) -> Result<u32, AnyError> {
    let mut used = Vec::new();
    for other in mounts::jobs()? {
        used.extend(read(&place::user(&other))?);
    }
    let mut free = users.of_builds().filter(|user| !used.contains(user));
    let user = free.next().ok_or(UsersError::NoneLeft)?;
    let path = place::user(job);
    fs::write(&path, user.to_string()).map_err(at(path.display()))?;
    account(user, "a build")?;
    Ok(user)
}

fn of_environment(users: &Users, environment: &Id) -> Result<u32, AnyError> {
    let path = place::users().join(environment.as_str());
    if let Some(user) = read(&path)? {
        // Its last use: from here on it rests.
        let file = fs::File::options().append(true).open(&path);
        let set = file.and_then(|file| file.set_modified(SystemTime::now()));
        set.map_err(at(path.display()))?;
        // `/etc` may be on another disk than what is kept here, or from an older copy.
        if !users::has_account(user)? {
            account(user, environment.as_str())?;
        }
        return Ok(user);
    }
    let used = used()?;
    let (user, before) = users.next(&used)?;
    if let Some(before) = before {
        fs::remove_file(&before.file).map_err(at(before.file.display()))?;
    }
    account(user, environment.as_str())?;
    write_new(&path, user)?;
    Ok(user)
}

/// All that environments have.
fn used() -> Result<Vec<Used>, AnyError> {
    let mut all = Vec::new();
    for entry in fs::read_dir(place::users())? {
        let entry = entry?;
        // What is no environment's has no environment's name.
        if entry
            .file_name()
            .to_str()
            .is_none_or(|name| Id::parse(name).is_err())
        {
            continue;
        }
        let (file, last) = (entry.path(), entry.metadata()?.modified()?);
        if let Some(user) = read(&file)? {
            let rested = last.elapsed().unwrap_or_default();
            all.push(Used { user, rested, file });
        }
    }
    Ok(all)
}

/// Gives a user its account, which systemd looks for: a name made of its number. One that has it
/// keeps it.
fn account(user: u32, of: &str) -> Result<(), AnyError> {
    let line = users::entry(user, of);
    let output = Command::new("/usr/bin/systemd-sysusers")
        .args(["--inline", &line])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(at("systemd-sysusers"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "systemd-sysusers makes no account for {user}: {}",
        said.trim()
    )
    .into())
}

/// The number in a file, where that is there.
fn read(path: &Path) -> Result<Option<u32>, AnyError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => {
            let number = text.map_err(at(path.display()))?.trim().parse();
            number.map(Some).map_err(at(path.display()))
        }
    }
}

/// Writes a number so that it is there after a power cut, or is not.
fn write_new(path: &Path, number: u32) -> Result<(), AnyError> {
    let write = || {
        // Not beside it, where a death would leave it.
        let next = Path::new(place::KEPT).join("next");
        let mut file = fs::File::create(&next)?;
        writeln!(file, "{number}")?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().map_err(at(path.display()))
}
