use super::*;

use std::path::PathBuf;
use wharf_config::name::ProjectName;
use wharf_config::place::{Place, PlaceKind};

const KEY_LINE: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIJhnSKH5NdLCBCkLmnw2ykEwyP3Mlvk9zQYLfVNXBwVc";

fn account(uid: u32, name: &str) -> Account {
    Account {
        uid,
        name: name.into(),
        group: None,
        groups: OnceLock::from(vec!["wheel".to_owned()]),
    }
}

fn claim(source: &str, name: &str) -> Claim {
    Claim {
        source: source.into(),
        name: name.into(),
    }
}

fn host(accounts: Option<&[&str]>) -> Host {
    let place = Place::from_env(PlaceKind::System).unwrap();
    Host {
        accounts: accounts.map(|names| names.iter().map(|n| (*n).to_owned()).collect()),
        ..Host::defaults(&place)
    }
}

/// A project whose repository is this user's.
fn project(repository: PathBuf) -> Project {
    Project::new(ProjectName::parse("shop").unwrap(), repository)
}

#[test]
fn only_a_git_hosts_account_is_believed() {
    let directory = tempfile::tempdir().unwrap();
    let own = project(directory.path().to_owned());
    let nowhere = project("/nowhere".into());
    let me = own_uid();
    let other = 12_345;
    let ann = [claim("WHARF_USER", "ann")];
    let who = |uid, accounts: Option<&[&str]>, project: &Project, claims: &[Claim]| {
        actor(&account(uid, "someone"), claims, &host(accounts), project).name
    };
    for (uid, accounts, project, name) in [
        (me, None, &nowhere, "ann"),
        (other, None, &own, "someone"),
        (other, None, &nowhere, "someone"),
        (other, Some(&["git", "someone"][..]), &nowhere, "ann"),
        (other, Some(&["git"]), &own, "someone"),
        (other, Some(&[]), &own, "someone"),
        (0, Some(&["git"]), &nowhere, "ann"),
    ] {
        assert_eq!(
            who(uid, accounts, project, &ann),
            name,
            "{uid} {accounts:?}"
        );
        assert_eq!(who(uid, accounts, project, &[]), "someone");
    }
}

#[test]
fn the_owner_of_a_repository_is_its_git_hosts_account() {
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("shop.git");
    std::fs::create_dir(&repository).unwrap();
    let ann = [claim("GL_USER", "ann")];
    let asked = |uid| {
        let account = account(uid, "git");
        actor(&account, &ann, &host(None), &project(repository.clone())).name
    };
    let owner = 4_321;
    // Only root can give a directory away.
    if own_uid() == ROOT {
        std::os::unix::fs::chown(&repository, Some(owner), None).unwrap();
        assert_eq!(asked(owner), "ann");
    }
    assert_eq!(asked(owner + 1), "git");
}

#[test]
fn whoever_cannot_be_told_is_nobody_and_not_the_account() {
    let root = account(ROOT, "root");
    let nowhere = project("/nowhere".into());
    let fingerprint = "SHA256:";
    for (claims, name, source) in [
        (
            vec![claim("WHARF_USER", "ann"), claim("GL_USER", "ben")],
            "ann",
            "WHARF_USER",
        ),
        (
            vec![claim("WHARF_USER", ""), claim("GL_USER", "ben")],
            "unknown",
            "WHARF_USER",
        ),
        (vec![claim("GL_USER", "a b")], "unknown", "GL_USER"),
        (
            vec![claim("GL_USER", &"a".repeat(65))],
            "unknown",
            "GL_USER",
        ),
        (vec![claim("HOME", "ann")], "unknown", "unknown"),
        (vec![claim(KEY, "")], "unknown", KEY),
        (vec![claim(KEY, "ssh-ed25519 AAAA")], "unknown", KEY),
        (vec![claim(KEY, KEY_LINE)], fingerprint, KEY),
    ] {
        let actor = actor(&root, &claims, &host(None), &nowhere);
        assert!(actor.name.starts_with(name), "{claims:?}: {actor:?}");
        assert_eq!(actor.source, source);
        let person = person(&root, &actor);
        assert!(!person.operator && person.groups.is_empty());
    }
    let itself = actor(&root, &[], &host(None), &nowhere);
    let person = person(&root, &itself);
    assert!(person.operator);
    assert_eq!(person.groups, ["wheel"]);
}

#[test]
fn a_key_is_called_as_ssh_calls_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key.pub");
    std::fs::write(&file, KEY_LINE).unwrap();
    let said = std::process::Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let name = fingerprint(KEY_LINE).unwrap();
    assert_eq!(said.split(' ').nth(1), Some(name.as_str()), "{said}");
}

#[test]
fn the_user_database_knows_whoever_runs_this() {
    let account = Account::of(own_uid());
    assert!(account.owns_host());
    assert!(!account.groups().is_empty());
    assert_eq!(account.actor().source, UID);
    assert_eq!(Account::of(3_999_999_999).actor().name, "3999999999");
}
