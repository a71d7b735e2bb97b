//! `wharf key`: whose ssh keys may push and ask, kept in the file that sshd reads.

mod file;

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use ssh_key::{HashAlg, PublicKey};
use wharf_wire::outcome::Exit;

use crate::{
    args,
    failure::{self, Failure, plain},
    hooks, record, show,
};
use file::{Keys, Ours};

/// The largest public key that is read; an RSA key of 16,384 bits has 3 KiB.
const MAX_KEY: u64 = 16 * 1024;
/// The longest name of a person.
const MAX_NAME: usize = 32;

/// Does one of the key commands.
///
/// # Errors
/// What keeps it from being done.
pub fn run(command: &args::Key, json: bool) -> Result<Exit, Failure> {
    match command {
        args::Key::Add { name, key, file } => add(&path(file)?, name, key),
        args::Key::List { file } => list(&path(file)?, json),
        args::Key::Remove { name, file } => remove(&path(file)?, name),
    }
}

fn add(path: &Path, name: &str, source: &Path) -> Result<Exit, Failure> {
    check_name(name)?;
    let key = read_key(source)?;
    let mut keys = Keys::read(path)?;
    if let Some(place) = keys.find(&key) {
        return Err(match place {
            Some(owner) => Failure::new(Exit::Refused, format!("this key is {owner}'s already"))
                .hint(format!("take it away first: wharf key remove {owner}")),
            None => Failure::new(
                Exit::Refused,
                format!(
                    "this key is in {} already, with other rights",
                    path.display()
                ),
            )
            .hint("take its line out: sshd uses the first that fits"),
        });
    }
    let home = std::env::var_os("WHARF_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from);
    let shell = hooks::binaries()?.join("wharf-shell");
    keys.add(&Ours::line(&shell, name, home.as_deref(), &key)?);
    keys.write()?;
    failure::note(&format!(
        "{name} may push and ask: {}",
        key.fingerprint(HashAlg::Sha256)
    ));
    Ok(Exit::Ok)
}

fn list(path: &Path, json: bool) -> Result<Exit, Failure> {
    let records: Vec<record::Key> = Keys::read(path)?
        .ours()
        .map(|ours| record::Key {
            r#type: ours.key.algorithm().to_string(),
            fingerprint: ours.key.fingerprint(HashAlg::Sha256).to_string(),
            name: ours.name,
        })
        .collect();
    if json {
        show::json(&records)?;
    } else if records.is_empty() {
        failure::note(&format!("no keys of Wharf in {}", path.display()));
    } else {
        let mut table = show::table(&["NAME", "TYPE", "FINGERPRINT"], None);
        for record in &records {
            table.add_row([&record.name, &record.r#type, &record.fingerprint].map(|x| plain(x)));
        }
        show::data(show::render(&mut table).as_bytes())?;
    }
    Ok(Exit::Ok)
}

fn remove(path: &Path, name: &str) -> Result<Exit, Failure> {
    let mut keys = Keys::read(path)?;
    let count = keys.remove(name);
    if count == 0 {
        return Err(Failure::new(
            Exit::NotFound,
            format!("no key of {} in {}", plain(name), path.display()),
        )
        .hint("see them with: wharf key list"));
    }
    keys.write()?;
    failure::note(&format!(
        "took away {count} {} of {name}",
        if count == 1 { "key" } else { "keys" }
    ));
    Ok(Exit::Ok)
}

/// The file that is meant, with links followed, for it is replaced by a rename.
fn path(file: &args::KeyFile) -> Result<PathBuf, Failure> {
    let path = match &file.authorized_keys {
        Some(path) => path.clone(),
        None => std::env::home_dir()
            .filter(|home| home.is_absolute())
            .ok_or_else(|| {
                Failure::usage("HOME is not set").hint("name the file: --authorized-keys FILE")
            })?
            .join(".ssh/authorized_keys"),
    };
    Ok(fs::canonicalize(&path).unwrap_or(path))
}

/// Checks a person's name, which stands in a command line and in logs.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let mut letters = name.bytes();
    let good = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && letters
            .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || b"._-".contains(&one))
        && name.len() <= MAX_NAME;
    if good {
        return Ok(());
    }
    Err(
        Failure::usage(format!("`{}` is no name for a person", plain(name))).hint(format!(
            "use a-z, 0-9, `.`, `_` and `-`, first a letter, at most {MAX_NAME}"
        )),
    )
}

fn read_key(source: &Path) -> Result<PublicKey, Failure> {
    let cannot = |error: io::Error| {
        Failure::new(Exit::Failed, format!("cannot read {}", source.display())).because(error)
    };
    let mut text = String::new();
    let read = if source == Path::new("-") {
        io::stdin()
            .lock()
            .take(MAX_KEY + 1)
            .read_to_string(&mut text)
    } else {
        File::open(source)
            .map_err(cannot)?
            .take(MAX_KEY + 1)
            .read_to_string(&mut text)
    };
    read.map_err(cannot)?;
    let wrong = || Failure::usage(format!("{} holds no public key", source.display()));
    if text.contains("PRIVATE KEY") {
        return Err(wrong()
            .because("it is a private key, which stays with its owner")
            .hint("use the file that ends in .pub"));
    }
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(wrong().hint("it should be one line, such as: ssh-ed25519 AAAA… name@host"));
    };
    PublicKey::from_openssh(line).map_err(|error| wrong().because(error))
}

#[cfg(test)]
mod tests;
