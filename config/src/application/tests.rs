use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn files(list: &[(&str, &str)]) -> Files {
    let mut files = Files::default();
    for (path, text) in list {
        files.insert(*path, *text);
    }
    files
}

fn good(list: &[(&str, &str)]) -> Application {
    read(&files(list)).unwrap_or_else(|problems| panic!("{}", problems.render(72)))
}

fn bad(list: &[(&str, &str)]) -> &'static str {
    read(&files(list)).unwrap_err().first().code
}

fn runs(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.run.as_str()).collect()
}

#[test]
fn a_static_site_needs_no_file() {
    assert!(good(&[("index.html", "")]).public.unwrap().is_top());
    let app = good(&[("public/index.html", "")]);
    assert_eq!(app.public.unwrap().as_str(), "public");
    assert_eq!(app.sources, ["public/index.html: static site"]);
}

#[test]
fn a_procfile_with_python() {
    let text =
        "# processes\nweb: python app.py\nmail: python mail.py\nrelease: python migrate.py\n";
    let app = good(&[("Procfile", text), ("requirements.txt", "flask")]);
    assert_eq!(app.web.unwrap().start, "python app.py");
    assert_eq!(app.workers.len(), 1);
    assert_eq!(runs(&app.deploy.run), ["python migrate.py"]);
    assert_eq!(
        runs(&app.build.steps),
        [
            "python3 -m venv /app/.venv",
            "/app/.venv/bin/pip install -r requirements.txt"
        ]
    );
    assert!(good(&[("Procfile", "mail: x")]).web.is_none());
}

#[test]
fn npm() {
    let start = r#"{"scripts":{"start":"node .","build":"tsc"}}"#;
    let app = good(&[("package.json", start), ("package-lock.json", "{}")]);
    assert_eq!(app.web.unwrap().start, "npm start");
    assert_eq!(runs(&app.build.steps), ["npm ci", "npm run build"]);
    let app = good(&[
        ("package.json", start),
        ("wharf.toml", "public = \"dist\"\nbuild = \"make\""),
    ]);
    assert_eq!((app.web, runs(&app.build.steps)), (None, vec!["make"]));
    let build = r#"{"scripts":{"build":"vite build"}}"#;
    assert_eq!(
        bad(&[("package.json", build), ("index.html", "")]),
        "nothing-to-serve"
    );
    let app = good(&[("package.json", build), ("wharf.toml", "public = \"dist\"")]);
    assert_eq!(runs(&app.build.steps), ["npm install", "npm run build"]);
}

#[test]
fn wharf_toml_whole() {
    let text = r#"
        runtime = "php:8.2"
        public = "pub/"
        [build]
        cache = ["~/.composer/cache"]
        patches = { files = ["hot/*.patch"], after = "compile" }
        steps = [
            { run = "composer install", inputs = ["composer.lock"] },
            { name = "compile", run = "bin/compile" },
            ["npm run css", "npm run js"],
        ]
        [deploy]
        run = "bin/migrate"
        after = ["a", "b"]
        health = { path = "/health", within = "30s" }
        repeatable = true
        maintenance = { unless = "bin/migrated", page = "errors/503.html" }
        hold = "20s"
        install = { unless = "test -f var/env", run = "bin/install" }
        [assets]
        run = "bin/assets"
        when = { committed = "etc/config.php" }
        outputs = ["pub/static"]
        [checks]
        smoke = "curl -fsS $WHARF_CHECK_URL/"
        [web]
        start = "php -S 127.0.0.1:$PORT"
        [workers]
        mail = "bin/mail"
        [mounts]
        "var" = "private"
        "pub/media" = { kind = "data", quota = "2G" }
        [seed]
        run = ["bin/sample", "bin/more"]
        only = ["development", "staging"]
        [env]
        MODE = "production"
        KEY = { generate = "secret" }
        TOKEN = { required = true, help = "the gateway's" }
    "#;
    let app = good(&[("wharf.toml", text)]);
    assert_eq!(app.runtime.as_ref().unwrap().to_string(), "php:8.2");
    assert!(app.runtime_at.is_some());
    assert_eq!(app.build.steps[0].inputs.len(), 1);
    assert_eq!(app.build.steps[1].name, "compile");
    let beside = app.build.steps.iter().map(|step| step.beside);
    assert_eq!(beside.collect::<Vec<_>>(), [false, false, false, true]);
    let groups = app.build.groups().map(<[Step]>::len);
    assert_eq!(groups.collect::<Vec<_>>(), [1, 1, 2]);
    let At::Spot(at) = &app.build.steps[1].at else {
        panic!("{:?}", app.build.steps[1].at);
    };
    assert_eq!(&at.text[at.span.clone()], "\"bin/compile\"");
    assert_eq!(app.build.patches.after.as_deref(), Some("compile"));
    let maintenance = &app.deploy.maintenance;
    assert_eq!(maintenance.when, When::Unless("bin/migrated".into()));
    assert_eq!(maintenance.hold, Duration::from_secs(20));
    assert_eq!(
        maintenance.page.as_ref().unwrap().as_str(),
        "errors/503.html"
    );
    assert_eq!(app.deploy.install.as_ref().unwrap().run.len(), 1);
    assert_eq!(
        app.assets.as_ref().unwrap().outputs[0].as_str(),
        "pub/static"
    );
    assert_eq!(app.checks[0].name, "smoke");
    assert_eq!(app.deploy.health.within, Duration::from_secs(30));
    assert_eq!((app.mounts.len(), app.env.len()), (2, 3));
    let seed = app.seed.as_ref().unwrap();
    assert_eq!((seed.run.len(), seed.only.len()), (2, 2));
    let quotas = app
        .quotas
        .iter()
        .map(|(path, quota)| (path.as_str(), *quota));
    assert_eq!(quotas.collect::<Vec<_>>(), [("pub/media", 2_000_000_000)]);
    let json = serde_json::to_string(&app).unwrap();
    let back: Application = serde_json::from_str(&json).unwrap();
    assert_eq!(
        back,
        Application {
            runtime_at: None,
            ..app
        }
    );
}

#[test]
fn mounts_are_stored_as_they_were_before_they_had_quotas() {
    let app = good(&[("wharf.toml", "web = \"x\"\n[mounts]\n\"var\" = \"data\"\n")]);
    let json = serde_json::to_value(&app).unwrap();
    assert_eq!(json["mounts"], serde_json::json!({ "var": "data" }));
    assert_eq!(json.get("quotas"), None);
    let back: Application = serde_json::from_value(json).unwrap();
    assert_eq!(back.mounts, app.mounts);
}

#[test]
fn maintenance_is_short_to_write() {
    let read = |text: &str| {
        let text = format!("web = \"x\"\n[deploy]\nrun = \"y\"\n{text}");
        good(&[("wharf.toml", &text)]).deploy.maintenance
    };
    assert_eq!(read("").when, When::Never);
    assert_eq!(read("maintenance = true").when, When::Always);
    let held = read("hold = \"5s\"");
    assert_eq!((held.when, held.hold.as_secs()), (When::Always, 5));
    assert_eq!(read("maintenance = false\nhold = \"5s\"").when, When::Never);
    assert_eq!(
        read("maintenance = { page = \"a.html\" }").when,
        When::Always
    );
}

#[test]
fn patches_lie_in_the_conventional_places_unless_said() {
    let read = |text: &str| {
        let text = format!("web = \"x\"\n[build]\n{text}");
        good(&[("wharf.toml", &text)]).build.patches.files
    };
    assert_eq!(read(""), None);
    assert_eq!(read("patches = false"), Some(vec![]));
    let patterns = read("patches = \"a/*.patch\"").unwrap();
    assert!(patterns[0].matcher().is_match("a/1.patch"));
    assert!(!patterns[0].matcher().is_match("a/b/1.patch"));
}

#[test]
fn files_that_are_none() {
    assert_eq!(bad(&[]), "nothing-to-deploy");
    assert_eq!(bad(&[("Procfile", "web python")]), "procfile-syntax");
    assert_eq!(bad(&[("package.json", "{\"scripts\": ")]), "json-syntax");
    let mut broken = files(&[]);
    broken.insert("wharf.toml", vec![b'a', 0xff]);
    assert_eq!(read(&broken).unwrap_err().first().code, "not-utf8");
    for (kind, size, code) in [
        (crate::files::EntryKind::Symlink, 1, "not-a-file"),
        (crate::files::EntryKind::Directory, 0, "not-a-file"),
        (crate::files::EntryKind::File, 10_000_000, "too-large"),
    ] {
        let entry = crate::files::Entry {
            kind,
            size,
            content: None,
        };
        broken.0.insert("wharf.toml".to_owned(), entry);
        assert_eq!(read(&broken).unwrap_err().first().code, code);
    }
}

proptest! {
    #[test]
    fn hostile_text_never_comes_out_raw(toml in any::<String>(), procfile in any::<String>()) {
        for text in [toml.clone(), format!("a = {toml:?}"), format!("{toml:?} = 1\nweb = 1")] {
            if let Err(problems) = read(&files(&[("wharf.toml", &text), ("Procfile", &procfile)])) {
                for line in problems.render(72).lines() {
                    prop_assert!(line.len() <= 72, "{}", line);
                    prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)));
                }
            }
        }
    }
}

#[test]
fn a_front_is_run_by_fastcgi() {
    let app = good(&[(
        "wharf.toml",
        "public = \"pub\"\nfront = \"index.php\"\nweb = \"php-fpm -F\"\n[processes]\napi = \"api\"",
    )]);
    assert_eq!(app.web.unwrap().protocol, Protocol::Fastcgi);
    let api = app.processes.into_values().next().unwrap();
    assert_eq!(api.protocol, Protocol::Http);
    let procfile = [
        ("wharf.toml", "public = \"pub\"\nfront = \"index.php\""),
        ("Procfile", "web: php-fpm -F"),
    ];
    assert_eq!(good(&procfile).web.unwrap().protocol, Protocol::Fastcgi);
    assert_eq!(
        good(&[("wharf.toml", "web = \"run\"")])
            .web
            .unwrap()
            .protocol,
        Protocol::Http
    );
}

#[test]
fn routes_and_locations() {
    let app = good(&[(
        "wharf.toml",
        r#"
web = "run"
[processes]
api = "api"
[routes]
"https://{default}/" = { to = "web" }
"https://www.{default}/" = { redirect = "https://{default}/" }
"https://{default}/v1/" = { to = "api" }
"https://{default}/blog/([0-9]+)" = { redirect = "/posts/$1", regexp = true, code = 301 }
[locations."/static/"]
expires = "1y"
front = false
"#,
    )]);
    let redirect = |to: &str, code| To::Redirect {
        to: to.to_owned(),
        code,
    };
    let said: Vec<_> = app
        .routes
        .iter()
        .map(|route| (route.label.as_deref(), &route.path, &route.to))
        .collect();
    let below = |path: &str| Paths::Below(path.to_owned());
    let api = To::Process(ProcessName::parse("api").unwrap());
    let like = Paths::Like("/blog/([0-9]+)".to_owned());
    for expected in [
        (None, &below("/"), &To::Web),
        (
            Some("www"),
            &below("/"),
            &redirect("https://{default}/", 302),
        ),
        (None, &below("/v1/"), &api),
        (None, &like, &redirect("/posts/$1", 301)),
    ] {
        assert!(said.contains(&expected), "{expected:?}");
    }
    let location = &app.locations["/static/"];
    assert_eq!(location.expires.unwrap().as_secs(), 31_557_600);
    assert!(!location.front && location.allow);
}

#[test]
fn processes_may_have_a_network_of_their_own() {
    let network = |text: &str| read(&files(&[("wharf.toml", text)])).map(|app| app.network);
    assert_eq!(network("web = \"run\"").unwrap(), Network::Shared);
    let private = network("web = \"run\"\nnetwork = \"private\"").unwrap();
    assert_eq!(private, Network::Private);
    let said = network("web = \"run\"\nnetwork = \"privat\"").unwrap_err();
    let said = said.render(72);
    assert!(said.contains("did you mean \"private\"?"), "{said}");
}
