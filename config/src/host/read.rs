//! Reads and merges the host's files.

use std::path::{Path, PathBuf};

use super::{
    Host, Instance, ON_FAILURE, OnFailure, Resources, Setting, Snapshots, Tls, Traces, Unreachable,
    keep, limits, metrics, services, snapshots, tls, traces,
};
use crate::{
    application::{BUILD_NETWORK, BuildNetwork},
    name::{Domain, VariableName},
    notify::{Mail, Notify, read as notify},
    place::Place,
    problem::Problems,
    project::{
        Previews,
        read::{absolute, networks, previews, toml_files},
    },
    reader::{Item, Reader, Table, anybodys},
};

/// Proxies and certificates: what a build behind a company's border cannot do without.
const PASS: [&str; 12] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];
const MAX_PASS: usize = 64;
const MAX_ACCOUNTS: usize = 64;

pub(super) fn defaults(place: &Place) -> Host {
    let name = |name: &&str| VariableName::parse(name).expect("a good variable name");
    let (keep, kept) = keep::defaults();
    let mut host = Host {
        domain: None,
        projects: place.projects_dir(),
        on_failure: OnFailure::Keep,
        unreachable: Unreachable::Refuse,
        accounts: None,
        parallel: 2,
        pass: PASS.iter().map(name).collect(),
        network: BuildNetwork::Full,
        build: limits::of_build(),
        deploy: limits::of_deploy(),
        processes: Resources::default(),
        keep_releases: 5,
        keep_warm: 0,
        keep,
        listen: ([127, 0, 0, 1], 7080).into(),
        tls: Tls::default(),
        services: Vec::new(),
        snapshots: Snapshots::default(),
        metrics: None,
        traces: Traces::default(),
        proxies: Vec::new(),
        operators: Vec::new(),
        previews: Previews::new(),
        notify: Vec::new(),
        mail: Mail::default(),
        settings: Vec::new(),
    };
    let default = |key, value: &str| Setting {
        key,
        value: value.to_owned(),
        from: None,
        line: None,
    };
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    host.settings = vec![
        default("domain", "none: *.localhost"),
        default("projects", &text(&host.projects)),
        default("push.on_failure", "\"keep\""),
        default("push.unreachable", "\"refuse\""),
        default(
            "identity.accounts",
            "none: the daemon's, the repository's owner",
        ),
        default("build.parallel", "2"),
        default("build.network", "\"full\""),
        default("build.pass", &text(&PASS)),
        default("keep.releases", "5"),
        default("keep.warm", "0"),
        default("router.listen", "\"127.0.0.1:7080\""),
        default("router.kind", "\"builtin\""),
        default("router.proxies", "[]"),
        default("operators", "[]"),
        default("previews", "none"),
        default("notify", "none"),
        default("mail.sendmail", "\"/usr/sbin/sendmail\""),
        default("mail.from", "none: wharf at this host's name"),
        default("isolation", "\"bubblewrap\""),
    ];
    let mut below = |key: &str, more: &[(&'static str, &str)]| {
        let at = host.settings.iter().position(|s| s.key == key);
        let at = at.map_or(0, |at| at + 1);
        let more = more.iter().map(|(key, value)| default(key, value));
        host.settings.splice(at..at, more);
    };
    below("build.pass", &limits::SHOWN);
    below("keep.warm", &snapshots::SHOWN);
    below("keep.warm", &services::SHOWN);
    below("keep.releases", &kept);
    below("router.listen", &tls::SHOWN);
    below("router.proxies", &metrics::SHOWN);
    below("metrics.listen", &traces::SHOWN);
    host
}

pub(super) fn load(place: &Place) -> Result<Host, Problems> {
    let mut host = defaults(place);
    let mut problems = Vec::new();
    if let Ok(meta) = place.config.metadata()
        && let Err(found) = anybodys(&place.config, &meta)
    {
        problems.extend(found);
    }
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    let mut files: Vec<PathBuf> = place
        .vendor_file()
        .into_iter()
        .chain([place.host_file()])
        .filter(there)
        .collect();
    match toml_files(&place.drop_ins_dir()) {
        Ok(drop_ins) => files.extend(drop_ins),
        Err(found) => problems.extend(found),
    }
    for file in &files {
        let merged = Reader::open(file)
            .and_then(|reader| reader.read(|table| merge(table, &mut host, file)));
        if let Err(found) = merged {
            problems.extend(found);
        }
    }
    // Of what is good in itself.
    if problems.is_empty() {
        problems.extend(tls::problems(&host));
    }
    Problems::or(problems, host)
}

/// What one file changes.
pub(super) struct Merge<'h> {
    host: &'h mut Host,
    file: &'h Path,
}

impl Merge<'_> {
    /// Reads a key; where it is good, `set` it and remember the file.
    pub(super) fn key<T>(
        &mut self,
        item: Option<Item<'_>>,
        key: &'static str,
        read: impl FnOnce(&Item<'_>) -> Option<T>,
        set: impl FnOnce(&mut Host, T),
    ) {
        let Some(item) = item else { return };
        let Some(value) = read(&item) else { return };
        set(self.host, value);
        let spot = item.spot();
        let setting = self
            .host
            .settings
            .iter_mut()
            .find(|setting| setting.key == key);
        let setting = setting.expect("every key has a default");
        setting.value = crate::plain::plain(&spot.text[spot.span.clone()]);
        setting.from = Some(self.file.to_owned());
        setting.line = Some(spot.line());
    }
}

impl Merge<'_> {
    /// Adds destinations; one that an earlier file names is replaced. Which, and no address or secret,
    /// is shown.
    fn notify(&mut self, line: usize, found: Vec<Notify>) {
        let is_new = |old: &Notify| !found.iter().any(|new| new.name == old.name);
        self.host.notify.retain(is_new);
        self.host.notify.extend(found);
        let shown = |one: &Notify| format!("{} ({})", one.name, one.shown());
        let shown: Vec<String> = self.host.notify.iter().map(shown).collect();
        self.show("notify", line, shown.join(", "));
    }

    /// Adds instances; one that an earlier file names is replaced.
    pub(super) fn instances(&mut self, line: usize, found: Vec<Instance>) {
        let is_new = |old: &Instance| !found.iter().any(|new| new.name == old.name);
        self.host.services.retain(is_new);
        self.host.services.extend(found);
        let shown = |one: &Instance| format!("{} ({}: {})", one.name, one.kind.as_str(), one.reach);
        let shown: Vec<String> = self.host.services.iter().map(shown).collect();
        self.show("services", line, shown.join(", "));
    }

    /// Adds names with their passwords. Which, and not their hashes, is shown.
    fn preview(&mut self, line: usize, found: Previews) {
        self.host.previews.extend(found);
        let names: Vec<&str> = self.host.previews.keys().map(String::as_str).collect();
        let shown = names.join(", ");
        self.show("previews", line, shown);
    }

    /// Shows a key's value otherwise than it is written.
    fn show(&mut self, key: &str, line: usize, value: String) {
        let mut settings = self.host.settings.iter_mut();
        let setting = settings.find(|setting| setting.key == key);
        let setting = setting.expect("every key has a default");
        setting.value = value;
        setting.from = Some(self.file.to_owned());
        setting.line = Some(line);
    }
}

fn merge(table: Table<'_>, host: &mut Host, file: &Path) {
    let mut merge = Merge { host, file };
    let m = &mut merge;
    let domain = |i: &Item<'_>| i.parsed("\"apps.example.com\"", Domain::parse);
    m.key(table.get("domain"), "domain", domain, |h, v| {
        h.domain = Some(v)
    });
    m.key(table.get("projects"), "projects", absolute, |h, v| {
        h.projects = v
    });
    let read = |i: &Item<'_>| only(i, "bubblewrap", &["none"]);
    m.key(table.get("isolation"), "isolation", read, |_, ()| {});
    let below = |key| table.get(key).and_then(|item| item.table(""));
    if let Some(push) = below("push") {
        let read = |i: &Item<'_>| i.one_of(&ON_FAILURE);
        m.key(push.get("on_failure"), "push.on_failure", read, |h, v| {
            h.on_failure = v
        });
        let words = [
            ("refuse", Unreachable::Refuse),
            ("accept", Unreachable::Accept),
        ];
        let read = |i: &Item<'_>| i.one_of(&words);
        m.key(push.get("unreachable"), "push.unreachable", read, |h, v| {
            h.unreachable = v
        });
        push.finish();
    }
    if let Some(identity) = below("identity") {
        let accounts = identity.get("accounts");
        m.key(accounts, "identity.accounts", user_names, |h, v| {
            h.accounts = Some(v)
        });
        identity.finish();
    }
    if let Some(build) = below("build") {
        let read = |i: &Item<'_>| i.number(1..=64);
        m.key(build.get("parallel"), "build.parallel", read, |h, v| {
            h.parallel = v
        });
        m.key(build.get("pass"), "build.pass", pass, |h, v| h.pass = v);
        limits::merge(&build, m, limits::BUILD, |host| &mut host.build);
        let network = |i: &Item<'_>| i.one_of(&BUILD_NETWORK);
        m.key(build.get("network"), "build.network", network, |h, v| {
            h.network = v
        });
        build.finish();
    }
    if let Some(deploy) = below("deploy") {
        limits::merge(&deploy, m, limits::DEPLOY, |host| &mut host.deploy);
        deploy.finish();
    }
    if let Some(processes) = below("processes") {
        limits::processes(&processes, m);
        processes.finish();
    }
    if let Some(keep) = below("keep") {
        let read = |i: &Item<'_>| i.number(1..=1_000);
        m.key(keep.get("releases"), "keep.releases", read, |h, v| {
            h.keep_releases = v
        });
        keep::merge(&keep, m);
        let read = |i: &Item<'_>| i.number(0..=10);
        m.key(keep.get("warm"), "keep.warm", read, |h, v| h.keep_warm = v);
        keep.finish();
    }
    if let Some(item) = table.get("services") {
        services::merge(&item, m);
    }
    if let Some(table) = below("snapshots") {
        snapshots::merge(&table, m);
        table.finish();
    }
    if let Some(router) = below("router") {
        let read = |i: &Item<'_>| {
            i.parsed("\"127.0.0.1:7080\"", |text| {
                text.parse()
                    .map_err(|_| "must be an address and a port, such as 127.0.0.1:7080")
            })
        };
        m.key(router.get("listen"), "router.listen", read, |h, v| {
            h.listen = v
        });
        let kind = |i: &Item<'_>| only(i, "builtin", &["nginx", "caddy"]);
        m.key(router.get("kind"), "router.kind", kind, |_, ()| {});
        m.key(router.get("proxies"), "router.proxies", networks, |h, v| {
            h.proxies = v
        });
        if let Some(table) = router.get("tls").and_then(|item| item.table("")) {
            tls::merge(&table, m);
            table.finish();
        }
        router.finish();
    }
    if let Some(table) = below("metrics") {
        metrics::merge(&table, m);
        table.finish();
    }
    if let Some(table) = below("traces") {
        traces::merge(&table, m);
        table.finish();
    }
    m.key(table.get("operators"), "operators", networks, |h, v| {
        h.operators = v
    });
    if let Some(item) = table.get("previews")
        && let Some(found) = previews(&item)
    {
        m.preview(item.key_spot().line(), found);
    }
    if let Some(item) = table.get("notify") {
        m.notify(item.key_spot().line(), notify::destinations(&item));
    }
    if let Some(mail) = below("mail") {
        let sendmail = mail.get("sendmail");
        m.key(sendmail, "mail.sendmail", absolute, |h, v| {
            h.mail.sendmail = v
        });
        m.key(mail.get("from"), "mail.from", notify::from, |h, v| {
            h.mail.from = Some(v)
        });
        mail.finish();
    }
    table.later(&["users", "network", "plans"]);
    table.finish();
}

/// The only word that this version acts on; others are known.
fn only(item: &Item<'_>, word: &'static str, later: &[&str]) -> Option<()> {
    if let toml::de::DeValue::String(text) = item.value()
        && later.contains(&text.as_ref())
    {
        item.later_value(text);
        return None;
    }
    item.one_of(&[(word, ())])
}

/// Users of this host, by their names.
fn user_names(item: &Item<'_>) -> Option<Vec<String>> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let name = |text: &str| match (1..=32).contains(&text.len()) && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("must be the name of a user of this host"),
    };
    let list = item.list(MAX_ACCOUNTS, "[\"git\"]")?;
    list.iter()
        .map(|item| item.parsed("\"git\"", name))
        .collect()
}

fn pass(item: &Item<'_>) -> Option<Vec<VariableName>> {
    let name = |item: &Item<'_>| item.parsed("\"HTTPS_PROXY\"", VariableName::parse);
    let list = item.list(MAX_PASS, "[\"HTTPS_PROXY\"]")?;
    list.iter()
        .map(|item| {
            let name = name(item)?;
            if name.is_reserved() {
                item.bad("the name is reserved: Wharf sets it", "remove it");
                return None;
            }
            Some(name)
        })
        .collect()
}
