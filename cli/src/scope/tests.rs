use std::{fs, path::Path};

use super::*;

/// A work tree on `main`, with git's own rules only.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let world = World {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(world.top()).unwrap();
        world.git(&["init", "-q", "-b", "main"]);
        world
    }

    fn top(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join("work")
    }

    fn git(&self, words: &[&str]) {
        git::run(&self.top(), "do it", words).unwrap();
    }

    fn bare(&self, name: &str) -> PathBuf {
        let path = self.top().join("..").join(name);
        fs::create_dir(&path).unwrap();
        git::run(&path, "do it", ["init", "-q", "--bare", "-b", "main"]).unwrap();
        path.canonicalize().unwrap()
    }

    fn find(&self, global: &Global, wants: Wants) -> Result<Whereto, Failure> {
        find(&self.top(), global, wants)
    }

    fn environment(&self) -> Whereto {
        self.find(&Global::default(), Wants::Environment).unwrap()
    }
}

fn here(repository: &Path, environment: &str) -> Whereto {
    Whereto::Here(Scope {
        project: None,
        repository: Some(repository.to_str().unwrap().to_owned()),
        environment: Some(environment.to_owned()),
    })
}

#[test]
fn the_branch_and_a_local_remote_are_enough() {
    let world = World::new();
    let bare = world.bare("shop.git");
    for url in [bare.to_str().unwrap(), "../shop.git", "../shop"] {
        world.git(&["remote", "add", "origin", url]);
        assert_eq!(world.environment(), here(&bare, "refs/heads/main"), "{url}");
        world.git(&["remote", "remove", "origin"]);
    }
    world.git(&[
        "remote",
        "add",
        "origin",
        &format!("file://{}", bare.display()),
    ]);
    world.git(&["symbolic-ref", "HEAD", "refs/heads/feature/login"]);
    assert_eq!(world.environment(), here(&bare, "refs/heads/feature/login"));
}

#[test]
fn it_works_from_below_the_top() {
    let world = World::new();
    let bare = world.bare("shop.git");
    world.git(&["remote", "add", "origin", "../shop.git"]);
    let below = world.top().join("src");
    fs::create_dir(&below).unwrap();
    let found = find(&below, &Global::default(), Wants::Environment).unwrap();
    assert_eq!(found, here(&bare, "refs/heads/main"));
}

#[test]
fn the_remotes_have_an_order() {
    let world = World::new();
    let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| world.bare(name));
    world.git(&["remote", "add", "lonely", "../one"]);
    assert_eq!(world.environment(), here(&one, "refs/heads/main"));
    world.git(&["remote", "add", "origin", "../two"]);
    assert_eq!(world.environment(), here(&two, "refs/heads/main"));
    world.git(&["config", "branch.main.remote", "lonely"]);
    assert_eq!(world.environment(), here(&one, "refs/heads/main"));
    world.git(&["remote", "add", "wharf", "../three"]);
    assert_eq!(world.environment(), here(&three, "refs/heads/main"));
    world.git(&["remote", "add", "fork", "../four"]);
    world.git(&["config", "remote.pushDefault", "fork"]);
    assert_eq!(world.environment(), here(&four, "refs/heads/main"));
    world.git(&["config", "branch.main.pushRemote", "lonely"]);
    assert_eq!(world.environment(), here(&one, "refs/heads/main"));
}

#[test]
fn ssh_urls_name_machine_and_repository() {
    let world = World::new();
    for (url, host, port, path) in [
        (
            "ssh://git@host.example/srv/git/shop.git",
            "git@host.example",
            None,
            "/srv/git/shop.git",
        ),
        (
            "ssh://host.example:2222/shop.git",
            "host.example",
            Some(2222),
            "/shop.git",
        ),
        (
            "ssh://git@host.example/~/shop.git",
            "git@host.example",
            None,
            "~/shop.git",
        ),
        (
            "git@host.example:shop.git",
            "git@host.example",
            None,
            "shop.git",
        ),
        (
            "host.example:/srv/git/shop.git",
            "host.example",
            None,
            "/srv/git/shop.git",
        ),
    ] {
        world.git(&["remote", "add", "wharf", url]);
        let Whereto::There(remote, scope) = world.environment() else {
            panic!("{url}");
        };
        assert_eq!((remote.host.as_str(), remote.port), (host, port), "{url}");
        assert_eq!(scope.repository.as_deref(), Some(path), "{url}");
        assert_eq!(
            scope.environment.as_deref(),
            Some("refs/heads/main"),
            "{url}"
        );
        world.git(&["remote", "remove", "wharf"]);
    }
}

#[test]
fn a_host_that_reads_as_an_option_is_refused() {
    let world = World::new();
    for url in [
        "ssh://-oProxyCommand=id/shop.git",
        "-oProxyCommand=id:shop.git",
    ] {
        world.git(&["config", "remote.wharf.url", url]);
        let failure = world
            .find(&Global::default(), Wants::Environment)
            .unwrap_err();
        assert_ne!(failure.exit, Exit::Ok, "{url}");
    }
}

#[test]
fn what_is_told_beats_what_is_found() {
    let world = World::new();
    let bare = world.bare("shop.git");
    world.git(&["remote", "add", "wharf", "../shop.git"]);
    let staging = Global {
        environment: Some("staging".into()),
        ..Global::default()
    };
    assert_eq!(
        world.find(&staging, Wants::Environment).unwrap(),
        here(&bare, "staging")
    );

    let blog = Global {
        project: Some("blog".into()),
        ..staging
    };
    let Whereto::Here(scope) = world.find(&blog, Wants::Environment).unwrap() else {
        panic!("a local remote is asked here");
    };
    assert_eq!(
        (scope.project.as_deref(), scope.repository),
        (Some("blog"), None)
    );

    // The branch of one project says nothing about another.
    let blog = Global {
        project: Some("blog".into()),
        ..Global::default()
    };
    assert_eq!(
        world.find(&blog, Wants::Environment).unwrap_err().exit,
        Exit::Usage
    );
}

#[test]
fn the_project_alone_leaves_the_branch_out() {
    let world = World::new();
    let bare = world.bare("shop.git");
    world.git(&["remote", "add", "wharf", "../shop.git"]);
    let Whereto::Here(scope) = world.find(&Global::default(), Wants::Project).unwrap() else {
        panic!("a local remote is asked here");
    };
    assert_eq!(scope.repository.as_deref(), bare.to_str());
    assert_eq!(scope.environment, None);
}

#[test]
fn here_stays_here() {
    let world = World::new();
    world.git(&["remote", "add", "wharf", "git@host.example:shop.git"]);
    let global = Global {
        here: true,
        ..Global::default()
    };
    assert_eq!(
        world.find(&global, Wants::Machine).unwrap(),
        Whereto::Here(Scope::default())
    );
}

#[test]
fn without_a_project_the_usage_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let global = Global::default();
    let failure = find(directory.path(), &global, Wants::Environment).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.first_hint().unwrap().contains("-p PROJECT"));
    assert!(find(directory.path(), &global, Wants::Machine).is_ok());

    let world = World::new();
    assert_eq!(
        world.find(&global, Wants::Environment).unwrap_err().exit,
        Exit::Usage
    );
    world.git(&["remote", "add", "origin", "https://example.com/shop.git"]);
    assert_eq!(
        world.find(&global, Wants::Environment).unwrap_err().exit,
        Exit::Usage
    );
}

#[test]
fn a_bare_repository_is_its_own_project() {
    let world = World::new();
    let bare = world.bare("shop.git");
    let global = Global {
        environment: Some("main".into()),
        ..Global::default()
    };
    assert_eq!(
        find(&bare, &global, Wants::Environment).unwrap(),
        here(&bare, "main")
    );
}

#[test]
fn a_repository_of_an_ssh_url_is_found_as_git_would() {
    let world = World::new();
    let bare = world.bare("shop.git");
    let named = bare.to_str().unwrap().strip_suffix(".git").unwrap();
    assert_eq!(named_repository(named).unwrap(), bare.to_str().unwrap());
    assert_eq!(
        named_repository("/no/such").unwrap_err().exit,
        Exit::NotFound
    );
}
