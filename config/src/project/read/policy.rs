//! Reads what an environment, or every branch of a pattern, allows.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::super::{
    Accept, Access, Approve, Branchable, Kind, NewData, OnNewBranch, Policy, Retention, Rhythm,
    Schedule, Snapshots, Wake, Window, schedule,
};
use crate::reader::{Item, Table};

/// The longest time without a use before a pause.
const MAX_PAUSE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const MAX_NETWORKS: usize = 50;
pub(super) const ON_NEW_BRANCH: [(&str, OnNewBranch); 3] = [
    ("activate", OnNewBranch::Activate),
    ("inactive", OnNewBranch::Inactive),
    ("reject", OnNewBranch::Reject),
];
/// Keys that later versions act on.
const LATER: &[&str] = &["network", "env"];
/// The shortest time between two snapshots, and the longest.
const RHYTHM: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);

/// What the project says for all of its environments.
pub(super) struct Inherited {
    pub(super) zone: Option<TimeZone>,
    pub(super) on_new_branch: OnNewBranch,
}

/// Reads the keys of a table that are policy. `kind` is none where it could not be read.
pub(super) fn read(table: &Table<'_>, inherited: &Inherited, kind: Option<Kind>) -> Policy {
    let accept = [("push", Accept::Push), ("merge", Accept::Merge)];
    let wake = [("push", Wake::Push), ("request", Wake::Request)];
    let accept = table.get("accept").and_then(|item| item.one_of(&accept));
    let wake = table.get("wake").and_then(|item| item.one_of(&wake));
    let flag = |key| table.get(key).and_then(|item| item.boolean());
    let branchable = match flag("branchable") {
        Some(false) => Branchable::No,
        Some(true) | None => Branchable::Yes,
    };
    let approve = match flag("approve") {
        Some(true) => Approve::Yes,
        Some(false) | None => Approve::No,
    };
    let on_new_branch = table
        .get("on_new_branch")
        .and_then(|item| item.one_of(&ON_NEW_BRANCH));
    let data = [("clone", NewData::Clone), ("none", NewData::Empty)];
    let data = table.get("data").and_then(|item| item.one_of(&data));
    table.later(LATER);
    Policy {
        accept: accept.unwrap_or_default(),
        branchable,
        on_new_branch: on_new_branch.unwrap_or(inherited.on_new_branch),
        pause_after: pause_after(table, kind),
        data: data.unwrap_or_default(),
        wake: wake.unwrap_or_default(),
        approve,
        schedule: read_schedule(table, inherited),
        snapshots: snapshots(table),
        snapshot_before_deploy: flag("snapshot_before_deploy").unwrap_or_default(),
        restore_on_failure: flag("restore_on_failure").unwrap_or_default(),
        access: table.get("access").and_then(|item| access(&item)),
    }
}

fn pause_after(table: &Table<'_>, kind: Option<Kind>) -> Option<Duration> {
    let item = table.get("pause_after")?;
    if kind == Some(Kind::Production) {
        item.bad_key("bad-value", "production is never paused", "remove it");
        return None;
    }
    item.duration(MAX_PAUSE)
}

/// `false`, or how often and which stay.
fn snapshots(table: &Table<'_>) -> Snapshots {
    let Some(item) = table.get("snapshots") else {
        return Snapshots::Usual;
    };
    if let DeValue::Boolean(wanted) = item.value() {
        if *wanted {
            let hint = "for example: snapshots = { every = \"6h\" }";
            item.bad("must say how often", hint);
        }
        return Snapshots::Off;
    }
    let Some(table) = item.table("false") else {
        return Snapshots::Off;
    };
    let usual = Rhythm::default();
    let often = |text: &str| {
        let every = humantime::parse_duration(text).ok();
        let every = every.filter(|every| RHYTHM.contains(every));
        every.ok_or("must be a time from 1s to a year")
    };
    let every = table
        .get("every")
        .and_then(|item| item.parsed("\"6h\"", often));
    let keep = table.get("keep").and_then(|item| {
        let example = "\"4 per day for 3 days, 1 per day for 30 days\"";
        item.parsed(example, Retention::parse)
    });
    table.finish();
    Snapshots::Every(Rhythm {
        every: every.unwrap_or(usual.every),
        keep: keep.unwrap_or(usual.keep),
    })
}

fn read_schedule(table: &Table<'_>, inherited: &Inherited) -> Schedule {
    let window = table
        .get("deploy_window")
        .and_then(|item| item.parsed("\"Mon-Fri 09:00-16:00\"", Window::parse));
    let time = |text: &str| schedule::time(text).ok_or("must be a time of the day");
    let at = table.get("deploy_at").and_then(|item| {
        let at = item.parsed("\"02:00\"", time)?;
        let never = window.as_ref().filter(|window| !window.has(at));
        if let Some(window) = never {
            item.bad_key(
                "bad-value",
                format!("is never within {window}"),
                "choose a time within deploy_window",
            );
        }
        Some(at)
    });
    Schedule {
        window,
        at,
        zone: inherited.zone.clone(),
    }
}

/// A list of networks and addresses.
pub(crate) fn networks(item: &Item<'_>) -> Option<Vec<IpNet>> {
    const EXAMPLE: &str = "\"192.0.2.0/24\"";
    let read = |text: &str| network(text).ok_or("must be an address or a network");
    let list = item.list(MAX_NETWORKS, "[\"192.0.2.0/24\"]")?;
    list.iter().map(|item| item.parsed(EXAMPLE, read)).collect()
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    let address = |address: IpAddr| address.into();
    text.parse().or_else(|_| text.parse().map(address)).ok()
}

/// `"public"`, `"basic"`, or networks: `"allow:192.0.2.0/24"`, or a list of them.
fn access(item: &Item<'_>) -> Option<Access> {
    const EXAMPLE: &str = "\"allow:192.0.2.0/24\"";
    let network = |text: &str| {
        text.strip_prefix("allow:")
            .and_then(network)
            .ok_or("must be \"public\", \"basic\" or \"allow:NETWORK\"")
    };
    if matches!(item.value(), DeValue::Array(_)) {
        let list = item.list(MAX_NETWORKS, "[\"allow:192.0.2.0/24\"]")?;
        let networks = list.iter().map(|item| item.parsed(EXAMPLE, network));
        return networks.collect::<Option<_>>().map(Access::Allow);
    }
    match item.text(EXAMPLE)? {
        "public" => Some(Access::Public),
        "basic" => Some(Access::Basic),
        _ => {
            let network = item.parsed(EXAMPLE, network)?;
            Some(Access::Allow(vec![network]))
        }
    }
}
