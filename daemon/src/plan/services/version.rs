//! Whether a server may use the data that another version of it has made.

use wharf_config::application::ServiceKind;

/// What becomes of data under a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is the same as before.
    Same,
    /// The server is newer, and brings the data along.
    Upgrade,
    /// The server is older than what made the data, and would destroy it.
    Older,
    /// The server is newer and cannot read the earlier one's data: that one has to write it out, once more.
    Carry,
}

/// What becomes of data that version `before` of a kind's server used last, under version `now`.
pub fn step(kind: ServiceKind, before: &str, now: &str) -> Step {
    let places = significant(kind);
    let (before, now) = (numbers(before, places), numbers(now, places));
    match (kind, now.cmp(&before)) {
        (_, std::cmp::Ordering::Equal) | (ServiceKind::Memcached | ServiceKind::Custom, _) => {
            Step::Same
        }
        (_, std::cmp::Ordering::Less) => Step::Older,
        // Its files have another layout in each major version: postgresql.org, "Upgrading a PostgreSQL Cluster".
        (ServiceKind::Postgresql, std::cmp::Ordering::Greater) => Step::Carry,
        (_, std::cmp::Ordering::Greater) => Step::Upgrade,
    }
}

/// The file in which data says which version made it, where a kind's has one.
pub fn says_version(kind: ServiceKind) -> Option<&'static str> {
    match kind {
        ServiceKind::Postgresql => Some("PG_VERSION"),
        ServiceKind::Mariadb
        | ServiceKind::Redis
        | ServiceKind::Valkey
        | ServiceKind::Memcached
        | ServiceKind::Rabbitmq
        | ServiceKind::Custom => None,
    }
}

/// What such a file says.
pub fn read_version(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim_end();
    let is_number = |part: &str| part.parse::<u32>().is_ok();
    text.split('.').all(is_number).then(|| text.to_owned())
}

/// How many numbers of a version say what its data looks like.
fn significant(kind: ServiceKind) -> usize {
    match kind {
        ServiceKind::Mariadb | ServiceKind::Rabbitmq => 2,
        ServiceKind::Postgresql | ServiceKind::Redis | ServiceKind::Valkey => 1,
        ServiceKind::Memcached | ServiceKind::Custom => 0,
    }
}

fn numbers(version: &str, places: usize) -> Vec<u64> {
    let parts = version.split('.').take(places);
    parts.map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_means_is_the_kind_s_own() {
        for (kind, before, now, step) in [
            (ServiceKind::Mariadb, "10.11.6", "10.11.19", Step::Same),
            (ServiceKind::Mariadb, "10.6.1", "10.11.1", Step::Upgrade),
            (ServiceKind::Mariadb, "11.4.2", "10.11.19", Step::Older),
            (ServiceKind::Postgresql, "15.1", "15.18", Step::Same),
            (ServiceKind::Postgresql, "15.18", "16.0", Step::Carry),
            (ServiceKind::Postgresql, "16.0", "15.18", Step::Older),
            // As the data itself says it.
            (ServiceKind::Postgresql, "15", "15.18", Step::Same),
            (ServiceKind::Postgresql, "9", "15.18", Step::Carry),
            (ServiceKind::Postgresql, "16", "15.18", Step::Older),
            (ServiceKind::Redis, "7.0.15", "7.2.0", Step::Same),
            (ServiceKind::Redis, "6.2.1", "7.0.15", Step::Upgrade),
            (ServiceKind::Rabbitmq, "3.10.8", "3.10.25", Step::Same),
            // Its server brings its data along by itself.
            (ServiceKind::Rabbitmq, "3.10.8", "3.12.1", Step::Upgrade),
            (ServiceKind::Rabbitmq, "3.12.1", "3.10.8", Step::Older),
            (ServiceKind::Memcached, "1.6", "1.5", Step::Same),
            (ServiceKind::Custom, "", "", Step::Same),
        ] {
            assert_eq!(
                super::step(kind, before, now),
                step,
                "{kind:?} {before} {now}"
            );
        }
    }

    #[test]
    fn data_says_a_version_or_nothing() {
        for (text, said) in [
            ("15\n", Some("15")),
            ("9.6\n", Some("9.6")),
            ("", None),
            ("15/../16\n", None),
            ("15-x", None),
        ] {
            assert_eq!(read_version(text.as_bytes()).as_deref(), said, "{text:?}");
        }
    }
}
