use std::fs;

use super::*;

#[test]
fn drop_ins_win_in_name_order() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    fs::write(
        place.host_file(),
        "[build]\nparallel = 3\n[keep]\nmin_free = \"1G\"",
    )
    .unwrap();
    fs::write(
        place.drop_ins_dir().join("20.toml"),
        "[build]\nparallel = 5",
    )
    .unwrap();
    fs::write(
        place.drop_ins_dir().join("10.toml"),
        "[build]\nparallel = 4\npass = [\"A\"]",
    )
    .unwrap();
    let host = Host::load(&place).unwrap();
    assert_eq!(
        (host.parallel, host.keep.min_free.size, host.pass.len()),
        (5, 1_000_000_000, 1)
    );
    let from = |key| {
        host.settings
            .iter()
            .find(|s| s.key == key)
            .unwrap()
            .from
            .clone()
    };
    assert_eq!(
        from("build.parallel"),
        Some(place.drop_ins_dir().join("20.toml"))
    );
    assert_eq!(from("router.listen"), None);
}

#[test]
fn every_problem_of_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let text = "isolation = \"chroot\"\n[push]\non_failure = \"ignore\"\n[router]\nlisten = \"x\"\nkind = \"nginx\"";
    fs::write(place.host_file(), text).unwrap();
    fs::write(
        place.drop_ins_dir().join("a.toml"),
        "[build.limits]\nmemory = 4\ntime = \"x\"",
    )
    .unwrap();
    let problems = Host::load(&place).unwrap_err();
    assert_eq!(problems.len(), 6, "{}", problems.render(72));
    assert_eq!(
        Host::load(&Place::below("/nonexistent")).unwrap(),
        Host::defaults(&Place::below("/nonexistent"))
    );
}

#[test]
fn what_is_kept_is_written_short_or_long_and_merged_key_by_key() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let text =
        "[keep]\nslugs = 2\ncache = \"3G\"\nlogs = \"7d\"\ndata = \"forever\"\nrecords = \"1y\"";
    fs::write(place.host_file(), text).unwrap();
    let text = "[keep]\nslugs = { size = \"1M\" }\ncache = { age = \"2h\" }\n\
                logs = { size = \"4M\", count = 9 }\nmin_free = { files = 0 }";
    fs::write(place.drop_ins_dir().join("10.toml"), text).unwrap();
    let keep = Host::load(&place).unwrap().keep;
    let hours = |hours: u64| Some(std::time::Duration::from_secs(hours * 3600));
    let bounds = |count, size, age| Bounds { count, size, age };
    assert_eq!(keep.slugs, bounds(Some(2), Some(1_000_000), hours(30 * 24)));
    assert_eq!(keep.cache, bounds(None, Some(3_000_000_000), hours(2)));
    assert_eq!(keep.logs, bounds(Some(9), Some(4_000_000), hours(7 * 24)));
    assert_eq!((keep.data, keep.records.is_some()), (None, true));
    assert_eq!(
        (keep.min_free.size, keep.min_free.files),
        (2_000_000_000, 0)
    );

    let text = "[keep]\nslugs = \"many\"\ncache = { sise = \"1G\" }\nlogs = \"0s\"\n\
                data = \"never\"\nrecord = \"1y\"\nmin_free = 3";
    fs::write(place.drop_ins_dir().join("10.toml"), text).unwrap();
    let said = Host::load(&place).unwrap_err();
    assert_eq!(said.len(), 6, "{}", said.render(72));
    let said = said.render(72);
    for hint in [
        "did you mean `size`?",
        "must be from 1h",
        "`never` is not an age",
        "did you mean `records`?",
    ] {
        assert!(said.contains(hint), "no {hint}\n{said}");
    }
}

#[test]
fn a_stage_has_limits() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let text = "[build.limits]\ntime = \"2m\"\nsilence = \"off\"\n\
                tasks = 300\nmemory = \"2G\"\ncpus = 1.5\n\
                [deploy.limits]\nsilence = \"30s\"\noutput = \"1M\"\ndisk = \"5G\"\n\
                [processes.limits]\nopen_files = 1024\ncpus = 2\nmemory = \"off\"";
    fs::write(place.host_file(), text).unwrap();
    let host = Host::load(&place).unwrap();
    let seconds = std::time::Duration::from_secs;
    let build = Limits {
        time: seconds(120),
        silence: None,
        output: 20_000_000,
        resources: Resources {
            tasks: 300,
            memory: Some(2_000_000_000),
            cpus: Some(150),
            ..Resources::default()
        },
    };
    let deploy = Limits {
        time: seconds(3600),
        silence: Some(seconds(30)),
        output: 1_000_000,
        resources: Resources {
            disk: Some(5_000_000_000),
            ..Resources::default()
        },
    };
    let processes = Resources {
        open_files: 1024,
        cpus: Some(200),
        ..Resources::default()
    };
    assert_eq!((host.build, host.deploy), (build, deploy));
    assert_eq!(host.processes, processes);
    let shown = |key| host.settings.iter().find(|setting| setting.key == key);
    assert_eq!(shown("build.limits.memory").unwrap().value, "\"2G\"");
    assert_eq!(shown("processes.limits.cpus").unwrap().value, "2");
    assert_eq!(shown("deploy.limits.memory").unwrap().from, None);

    let text = "[build.limits]\nsilence = \"never\"\ntime = \"48h\"\nmemory = \"4K\"\ncpus = 0\n\
                [deploy.limits]\nsilense = \"1m\"\n[processes.limits]\ntime = \"1m\"\ndisk = 3";
    fs::write(place.host_file(), text).unwrap();
    let said = Host::load(&place).unwrap_err();
    assert_eq!(said.len(), 7, "{}", said.render(72));
    let said = said.render(72);
    for part in [
        "did you mean `silence`?",
        "must be 1M or more",
        "`cpus = 1.5`",
    ] {
        assert!(said.contains(part), "no {part}\n{said}");
    }
}

#[test]
fn builds_may_be_left_without_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    assert_eq!(Host::load(&place).unwrap().network, BuildNetwork::Full);
    fs::write(place.host_file(), "[build]\nnetwork = \"none\"").unwrap();
    let network = Host::load(&place).unwrap().network;
    assert_eq!(network, BuildNetwork::None);
    // The application's word cannot widen it.
    assert_eq!(network.and(BuildNetwork::Full), BuildNetwork::None);
    assert_eq!(BuildNetwork::Full.and(network), BuildNetwork::None);
    assert_eq!(
        BuildNetwork::Full.and(BuildNetwork::Full),
        BuildNetwork::Full
    );
    fs::write(place.host_file(), "[build]\nnetwork = \"off\"").unwrap();
    let said = Host::load(&place).unwrap_err().render(72);
    assert!(said.contains("\"full\""), "{said}");
}

#[test]
fn who_looks_at_previews_and_whom_the_router_believes() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let hash =
        |end: &str| format!("$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ012{end}");
    let text = format!(
        "[router]\nproxies = [\"127.0.0.1\", \"10.0.0.0/8\", \"::1\"]\n[previews]\nann = {:?}\nben = {:?}\n",
        hash("1C"),
        hash("1G")
    );
    fs::write(place.host_file(), text).unwrap();
    fs::write(
        place.drop_ins_dir().join("10.toml"),
        format!("[previews]\nben = {:?}", hash("1K")),
    )
    .unwrap();
    let host = Host::load(&place).unwrap();
    let proxies: Vec<String> = host.proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]);
    assert_eq!(host.previews["ben"], hash("1K"));
    let shown = host.settings.iter().find(|one| one.key == "previews");
    assert_eq!(shown.unwrap().value, "ann, ben");
    fs::write(place.host_file(), "[router]\nproxies = [\"nginx\"]").unwrap();
    let problems = Host::load(&place).unwrap_err();
    assert!(problems.render(72).contains("an address or a network"));
}

#[test]
fn visitors_may_come_by_tls() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let read = |text: &str| {
        fs::write(place.host_file(), text).unwrap();
        Host::load(&place)
    };
    assert_eq!(read("").unwrap().tls, Tls::default());
    let text = "[router]\nlisten = \"0.0.0.0:80\"\n[router.tls]\nlisten = \"[::]:443\"\nhsts = \"180d\"\n\
                certificates = [\"/etc/wharf/tls/a\", { chain = \"/c.pem\", key = \"/k.pem\" }]";
    let host = read(text).unwrap();
    let pair = |chain: &str, key: &str| Certificate {
        chain: chain.into(),
        key: key.into(),
    };
    let expected = Tls {
        listen: Some("[::]:443".parse().unwrap()),
        certificates: vec![
            pair(
                "/etc/wharf/tls/a/fullchain.pem",
                "/etc/wharf/tls/a/privkey.pem",
            ),
            pair("/c.pem", "/k.pem"),
        ],
        redirect: true,
        hsts: Some(std::time::Duration::from_secs(180 * 86_400)),
    };
    assert_eq!(host.tls, expected);
    let from = |key| host.settings.iter().find(|one| one.key == key).unwrap();
    assert_eq!(from("router.tls.hsts").value, "\"180d\"");
    assert_eq!(from("router.tls.redirect").from, None);
    // A drop-in may turn it off again.
    let drop_in = place.drop_ins_dir().join("10.toml");
    fs::write(
        &drop_in,
        "[router.tls]\nlisten = \"off\"\nhsts = \"0s\"\nredirect = false",
    )
    .unwrap();
    let tls = read(text).unwrap().tls;
    assert_eq!((tls.listen, tls.redirect), (None, false));
    assert_eq!(tls.hsts, Some(std::time::Duration::ZERO));
    fs::remove_file(drop_in).unwrap();

    for (text, said) in [
        ("listen = \"0.0.0.0:443\"", "router.tls.certificates is not"),
        ("listen = \"443\"", "an address and a port"),
        (
            "listen = \"127.0.0.1:7080\"\ncertificates = [\"/a\"]",
            "is the address of router.listen",
        ),
        ("hsts = \"9y\"", "at most 2 years"),
        ("hsts = \"long\"", "is not a time"),
        ("certificates = [\"a\"]", "must be an absolute path"),
        ("certificates = [{ chain = \"/a\" }]", "two files"),
        (
            "certificates = [{ chain = \"/a\", kay = \"/b\" }]",
            "did you mean `key`?",
        ),
        ("certificate = []", "did you mean `certificates`?"),
        ("redirect = \"yes\"", "true or false"),
    ] {
        let problems = read(&format!("[router.tls]\n{text}")).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}: {}", problems.render(72));
        assert!(
            problems.render(72).contains(said),
            "{text}: {}",
            problems.render(72)
        );
    }
    let problems = read("[router]\ntls = true").unwrap_err().render(72);
    assert!(problems.contains("table"), "{problems}");
}

#[test]
fn traces_go_to_one_address() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let read = |text: &str| {
        fs::write(place.host_file(), format!("[traces]\n{text}")).unwrap();
        Host::load(&place).map(|host| host.traces)
    };
    assert_eq!(Host::load(&place).unwrap().traces.endpoint, None);
    assert_eq!(read("endpoint = \"off\"").unwrap().endpoint, None);
    let good =
        "endpoint = \"https://otlp.example.com/otlp/\"\nheaders_file = \"/etc/wharf/traces\"";
    let good = read(good).unwrap();
    assert_eq!(
        good.endpoint.unwrap().as_str(),
        "https://otlp.example.com/otlp"
    );
    assert_eq!(
        good.headers_file.unwrap().to_str(),
        Some("/etc/wharf/traces")
    );
    for (text, said) in [
        ("endpoint = \"127.0.0.1:4318\"", "begins with https://"),
        ("endpoint = \"http://me:it@a.test\"", "no user"),
        ("endpoint = \"http://a.test/?key=1\"", "no query"),
        ("headers_file = \"traces\"", "absolute"),
    ] {
        let problems = read(text).unwrap_err().render(72);
        assert!(problems.contains(said), "{text}: {problems}");
    }
}

#[test]
fn monitoring_asks_on_this_machine_only() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let read = |listen: &str| {
        fs::write(place.host_file(), format!("[metrics]\nlisten = {listen:?}")).unwrap();
        Host::load(&place).map(|host| host.metrics)
    };
    let tcp = |at: &str| Some(Metrics::Tcp(at.parse().unwrap()));
    assert_eq!(Host::load(&place).unwrap().metrics, None);
    assert_eq!(read("127.0.0.1:9464").unwrap(), tcp("127.0.0.1:9464"));
    assert_eq!(read("[::1]:9464").unwrap(), tcp("[::1]:9464"));
    let socket = Metrics::Unix("/run/wharf/metrics.sock".into());
    assert_eq!(read("/run/wharf/metrics.sock").unwrap(), Some(socket));
    assert_eq!(read("off").unwrap(), None);
    for (listen, said) in [
        ("0.0.0.0:9464", "this machine's own"),
        ("metrics.sock", "an address and a port"),
        (&format!("/{}", "x".repeat(107)), "107 bytes"),
    ] {
        let problems = read(listen).unwrap_err().render(72);
        assert!(problems.contains(said), "{listen}: {problems}");
    }
}

mod shipped;
