use std::fs;

use super::*;
use crate::place::Place;

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

#[test]
fn written_read_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let new = NewProject {
        name: ProjectName::parse("shop").unwrap(),
        repository: "/srv/git/sh\"op.git".into(),
        domain: None,
    };
    let path = write_new(dir.path(), &new).unwrap();
    assert!(matches!(
        write_new(dir.path(), &new),
        Err(WriteError::Exists(..))
    ));
    let project = read_one(&path).unwrap();
    assert_eq!(project, Project::new(new.name, new.repository));
    let main = branch("main");
    assert_eq!(
        project.environment(&main, Some(&main)).kind,
        Kind::Production
    );
    let other = project.environment(&branch("x"), Some(&main));
    assert_eq!(
        (other.kind, other.parent.unwrap().as_str()),
        (Kind::Development, "main")
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_bad_one_disables_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let good = r#"
        repository = "/srv/git/a.git"
        domain = "a.example.com"
        [environments.production]
        branch = "main"
        hosts = ["www.a.example.com"]
        [environments.staging]
        type = "staging"
        [environments."*"]
        parent = "staging"
        [push]
        on_failure = "reject"
        remote = "ssh://git@localhost/a.git"
        ssh_command = "ssh -i /etc/wharf/a.key"
    "#;
    write("a.toml", good);
    write("b.toml", "repository = \"relative\"\nplan = \"pro-8\"");
    write("c.toml", "repository = \"/srv/git/a.git\"");
    write("Bad.toml", "");
    write(
        "d.toml",
        "repository = \"/d.git\"\n[environments]\np = { type = \"production\" }\na = { parent = \"b\" }\nb = { parent = \"a\" }",
    );
    let read = read_all(dir.path(), None).unwrap();
    assert_eq!(read.projects.len(), 1);
    let host = Host::defaults(&Place::below(dir.path()));
    assert_eq!(read.projects[0].on_failure(&host), OnFailure::Reject);
    let remote = read.projects[0].remote.as_ref().unwrap();
    assert_eq!(remote.url, "ssh://git@localhost/a.git");
    let ssh = Some("ssh -i /etc/wharf/a.key");
    assert_eq!(remote.ssh_command.as_deref(), ssh);
    assert_eq!(read.broken.len(), 4);
    let feature = read.projects[0].environment(&branch("feature"), None);
    assert_eq!(feature.parent.unwrap().as_str(), "staging");
    assert_eq!(read.projects[0].production(None), Some(&branch("main")));
}

#[test]
fn a_git_host_is_an_address_without_a_password() {
    for push in [
        "remote = \"git@localhost:a.git\"",
        "remote = \"https://wharf:secret@localhost/a.git\"",
        "remote = 7",
        "ssh_command = \"ssh\"",
    ] {
        let text = format!("repository = \"/srv/git/a.git\"\n[push]\n{push}");
        let problems = read_text(&text).unwrap_err().to_string();
        assert!(problems.contains("push."), "{push}\n{problems}");
        assert!(!problems.contains("secret"), "{problems}");
    }
}

fn read_text(text: &str) -> Result<Project, Problems> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.toml");
    fs::write(&path, text).unwrap();
    read_one(&path)
}

#[test]
fn policy_is_read() {
    let project = read_text(
        r#"
        repository = "/srv/git/shop.git"
        plan = "pro-8"
        max_active = { development = 3, total = 6 }
        timezone = "Europe/Berlin"
        on_new_branch = "inactive"
        [environments.production]
        branch = "production"
        accept = "merge"
        mirror_to = "master"
        approve = true
        snapshots = { every = "1h", keep = "2 per hour for 1 week" }
        snapshot_before_deploy = true
        restore_on_failure = true
        deploy_window = "Mon-Fri 09:00-16:00"
        deploy_at = "10:00"
        [environments.staging]
        type = "staging"
        branchable = false
        access = ["allow:192.0.2.0/24", "allow:2001:db8::1"]
        [environments."*"]
        parent = "staging"
        pause_after = "14days"
        wake = "request"
        [environments."feature/*"]
        on_new_branch = "activate"
        access = "public"
        [roles]
        "@ops" = "admin"
        "*" = { development = "contributor" }
        "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU" = { production = "viewer" }
        [groups]
        ops = ["ann", "ben"]
        [previews]
        guest = "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232"
        "#,
    )
    .unwrap();
    assert_eq!(project.max_active.total, Some(6));
    assert_eq!(project.max_active.by_kind[&Kind::Development], 3);
    assert!(project.is_mirror(&branch("master")));
    let production = project.environment(&branch("production"), None).policy;
    assert_eq!(production.accept, Accept::Merge);
    assert_eq!(production.approve, Approve::Yes);
    let rhythm = production.snapshots.rhythm(true).unwrap();
    assert_eq!(rhythm.every.as_secs(), 3600);
    assert_eq!(
        rhythm.keep,
        Retention::parse("2 per hour for 7 days").unwrap()
    );
    assert!(production.snapshot_before_deploy && production.restore_on_failure);
    assert_eq!(production.schedule.window.unwrap().days.len(), 5);
    assert!(production.schedule.at.is_some() && production.schedule.zone.is_some());
    let staging = project.environment(&branch("staging"), None).policy;
    assert_eq!(staging.branchable, Branchable::No);
    assert!(matches!(staging.access, Some(Access::Allow(list)) if list.len() == 2));
    let feature = project.environment(&branch("feature/cart"), None);
    assert_eq!(feature.parent.unwrap().as_str(), "production");
    assert_eq!(feature.policy.on_new_branch, OnNewBranch::Activate);
    assert_eq!(feature.policy.access, Some(Access::Public));
    let other = project.environment(&branch("fix"), None);
    assert_eq!(other.parent.unwrap().as_str(), "staging");
    assert_eq!(other.policy.on_new_branch, OnNewBranch::Inactive);
    assert_eq!(other.policy.wake, Wake::Request);
    let days = other.policy.pause_after.unwrap().as_secs() / 86_400;
    assert_eq!(days, 14);
    let roles = project.roles.unwrap();
    assert_eq!(roles.of("ben", &[], Kind::Production), Some(Role::Admin));
    assert_eq!(
        roles.of("cleo", &[], Kind::Development),
        Some(Role::Contributor)
    );
    assert_eq!(roles.of("cleo", &[], Kind::Production), None);
}

#[test]
fn every_slip_of_a_policy_is_named() {
    let problems = read_text(
        r#"
        repository = "/srv/git/shop.git"
        plan = "pro8"
        max_active = "many"
        timezone = "Europe/Nowhere"
        [environments.production]
        accept = "pull"
        pause_after = "1h"
        mirror_to = "staging"
        snapshots = { every = "0s", keep = "all" }
        deploy_window = "weekdays"
        deploy_at = "noon"
        [environments.staging]
        mirror_to = "x"
        snapshots = true
        snapshot_before_deploy = "yes"
        access = "allow:everybody"
        [environments."a["]
        [roles]
        "@" = "admin"
        ann = "boss"
        [groups]
        ops = ["a b"]
        [previews]
        guest = "secret"
        slow = "$2y$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232"
        "#,
    )
    .unwrap_err();
    let said = problems.render(72);
    for slip in [
        "plan",
        "max_active",
        "timezone",
        "accept",
        "never paused",
        "must be a time from",
        "must be rules such as",
        "must say how often",
        "snapshot_before_deploy",
        "is the branch of `staging`",
        "days and hours",
        "time of the day",
        "only production has a mirror",
        "allow:NETWORK",
        "pattern of branches",
        "must be a name",
        "roles.ann",
        "groups.ops",
        "bcrypt",
        "a cost from 4 to 14",
    ] {
        assert!(said.contains(slip), "{slip}: {said}");
    }
}

#[test]
fn what_becomes_of_data_is_read_and_its_slips_are_named() {
    let text = |keys: &str, sanitize: &str| {
        format!(
            "repository = \"/srv/git/shop.git\"\n[environments.\"*\"]\n{keys}\n[data]\n{sanitize}\n"
        )
    };
    let good = read_text(&text(
        "data = \"none\"\nrestore_on_failure = true",
        "sanitize = \"bin/scrub\"",
    ))
    .unwrap();
    let scrub = Sanitize::Command("bin/scrub".to_owned());
    assert_eq!(good.sanitize, scrub);
    let policy = good.environment(&branch("feature"), None).policy;
    assert_eq!(
        (policy.data, policy.restore_on_failure),
        (NewData::Empty, true)
    );
    for (keys, sanitize, slip) in [
        ("data = \"copy\"", "", "is not one of its values"),
        ("restore_on_failure = 1", "", "restore_on_failure"),
        ("", "sanitize = true", "says nothing of how"),
        ("", "sanitize = \" \"", "the command is empty"),
    ] {
        let said = read_text(&text(keys, sanitize)).unwrap_err().render(72);
        assert!(said.contains(slip), "{slip}: {said}");
    }
}

#[test]
fn a_bad_change_leaves_what_was_good() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let good = |name: &str, host: &str| {
        format!(
            "repository = \"/srv/git/{name}.git\"\n[environments.production]\nhosts = [\"{host}\"]\n"
        )
    };
    let write = |dir: &std::path::Path, name: &str, text: &str| {
        fs::write(dir.join(format!("{name}.toml")), text).unwrap();
    };
    for (name, host) in [("a", "a.test"), ("b", "b.test"), ("c", "c.test")] {
        write(kept.path(), name, &good(name, host));
        write(dir.path(), name, &good(name, host));
    }
    // One takes the host of another that stands after it; one is no TOML; one is new and bad.
    write(dir.path(), "a", &good("a", "b.test"));
    write(dir.path(), "c", "repository = ");
    write(dir.path(), "d", "repository = ");
    let read = read_all(dir.path(), Some(kept.path())).unwrap();
    let names: Vec<_> = read.projects.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(read.projects[0].environments[0].hosts[0].as_str(), "a.test");
    assert_eq!(read.texts.len(), 1);
    let broken = read.broken.iter().map(|broken| broken.kept);
    assert_eq!(broken.collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn what_is_wrong_with_one_environment_is_said_of_that_one_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.toml");
    let text = r#"
        repository = "/srv/git/shop.git"
        [environments.main]
        type = "produktion"
        [environments.staging]
        type = "stagging"
        parent = "main"
        [environments.next]
        parent = "staging"
        [environments.far]
        parent = "nowhere"
        [environments."*"]
        parent = "staging"
    "#;
    fs::write(&file, text).unwrap();
    let problems = read_one(&file).unwrap_err();
    let said: Vec<&str> = problems.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "`environments.main.type`: `produktion` is not one of its values",
            "`environments.staging.type`: `stagging` is not one of its values",
            "`environments.far.parent`: there is no environment `nowhere`",
        ]
    );
}
