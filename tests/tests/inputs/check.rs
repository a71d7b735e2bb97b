//! What can be asked before anything is pushed: `wharf check` and `wharfd check`.

use std::fs;

use wharf_tests::{Said, World, run};

#[track_caller]
fn check(world: &World, directory: &std::path::Path) -> Said {
    run(world.command("wharf").arg("check").arg(directory))
}

#[test]
fn every_example_passes() {
    let world = World::new();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut seen = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen += 1;
            let said = check(&world, &path).ok().has("read ");
            assert_eq!(said.err, "", "a warning\n{said}");
        }
    }
    assert!(seen >= 5, "only {seen} examples");
}

#[test]
fn a_check_says_what_the_push_would() {
    let world = World::new();
    let site = world.site("site", &[("wharf.toml", "pubic = \"out\"\nweb = 7\n")]);
    let checked = check(&world, site.path()).exits(1);
    assert_eq!(checked.out, "", "{checked}");
    site.init();
    let pushed = site.push(&["main"]).exits(1).transcript();
    let (reasons, last) = pushed.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(reasons, checked.err.trim_end(), "{checked}");
    assert_eq!(last, "nothing was accepted; nothing was changed.");
    let json = run(world
        .command("wharf")
        .args(["check", "--json"])
        .arg(site.path()))
    .exits(1);
    for text in ["\"line\": 2", "\"code\": \"wrong-type\"", "\"unknown-key\""] {
        let squeezed = |text: &str| text.replace(' ', "");
        assert!(
            squeezed(&json.out).contains(&squeezed(text)),
            "{text}\n{json}"
        );
    }
    check(&world, &world.path("nowhere"))
        .exits(5)
        .has("error: ");
}

#[test]
fn the_host_prints_every_key_with_its_origin() {
    let world = World::new();
    let host = world.home().join("config");
    fs::create_dir_all(host.join("wharfd.d")).unwrap();
    let drop_in = host.join("wharfd.d/10-builds.toml");
    fs::write(&drop_in, "[build]\nparallel = 3\n").unwrap();
    fs::write(
        host.join("wharfd.d/20-more.toml"),
        "[build]\nparallel = 4\n",
    )
    .unwrap();
    fs::write(host.join("wharfd.d/ignored.toml~"), "nonsense").unwrap();
    let site = world.site("shop", &[("index.html", "x")]);
    site.init();
    let project = host.join("projects.d/shop.toml");
    let repository = fs::read_to_string(&project).unwrap();
    fs::write(&project, format!("{repository}plan = \"starter\"\n")).unwrap();
    let said = run(world.command("wharfd").arg("check")).ok();
    for line in [
        format!(
            "build.parallel = 4  # {}:2",
            host.join("wharfd.d/20-more.toml").display()
        ),
        format!(
            "router.listen = \"127.0.0.1:0\"  # {}:2",
            host.join("wharfd.toml").display()
        ),
        "keep.releases = 5  # default".to_owned(),
        format!(
            "project shop = {}  # {}:1",
            world.repository("shop").display(),
            host.join("projects.d/shop.toml").display()
        ),
        format!(
            "project shop: plan = \"starter\"  # {}:2",
            host.join("projects.d/shop.toml").display()
        ),
        format!(
            "place.state = {:?}  # variable WHARF_HOME",
            world.home().join("state")
        ),
        "log = \"info\"  # default".to_owned(),
    ] {
        assert!(
            said.out.lines().any(|have| have == line),
            "no `{line}`\n{said}"
        );
    }

    // Every problem of every file at once; one bad project is only its own trouble.
    fs::write(
        &drop_in,
        "[build]\nparalel = 3\nlimits = { time = \"0s\" }\n",
    )
    .unwrap();
    fs::write(
        host.join("wharfd.d/30-bad.toml"),
        "[router]\nlisten = \"7080\"\n",
    )
    .unwrap();
    let said = run(world.command("wharfd").arg("check"));
    assert_ne!(said.code, 0, "{said}");
    said.has("10-builds.toml:2:1")
        .has("did you mean `parallel`?")
        .has("10-builds.toml:3:")
        .has("30-bad.toml:2:10");
    for bad in ["10-builds.toml", "30-bad.toml"] {
        fs::remove_file(host.join("wharfd.d").join(bad)).unwrap();
    }
    fs::write(host.join("projects.d/other.toml"), "repositry = \"/x\"\n").unwrap();
    let said = run(world.command("wharfd").arg("check"));
    assert_ne!(said.code, 0, "{said}");
    said.has("project shop = ")
        .has("did you mean `repository`?");
}
