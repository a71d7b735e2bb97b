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
    /// The server is newer, and cannot read the data of the earlier one.
    Unreadable,
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
        (ServiceKind::Postgresql, std::cmp::Ordering::Greater) => Step::Unreadable,
        (_, std::cmp::Ordering::Greater) => Step::Upgrade,
    }
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
            (ServiceKind::Postgresql, "15.18", "16.0", Step::Unreadable),
            (ServiceKind::Postgresql, "16.0", "15.18", Step::Older),
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
}
