//! How many requests were answered how: by type of environment and class of status, never by name, so
//! that it is as much with ten thousand environments as with one.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use wharf_wire::route::{Answered, Kind};

const KINDS: [Kind; 4] = [
    Kind::Production,
    Kind::Staging,
    Kind::Development,
    Kind::None,
];
/// 1xx to 5xx.
const CLASSES: u8 = 5;

/// Counted since the router started.
#[derive(Debug, Default)]
pub struct Counts([[AtomicU64; CLASSES as usize]; KINDS.len()]);

impl Counts {
    pub(crate) fn count(&self, kind: Kind, status: StatusCode) {
        let at = KINDS.iter().position(|one| *one == kind);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.into()) - 1;
        self.0[at.expect("every type is there")][class].fetch_add(1, Ordering::Relaxed);
    }

    /// Every type with every class.
    pub(crate) fn all(&self) -> Vec<Answered> {
        let of = |(kind, counts): (Kind, &[AtomicU64; CLASSES as usize])| {
            let counts = (1..).zip(counts);
            let one = |(class, count): (u8, &AtomicU64)| Answered {
                kind,
                class,
                requests: count.load(Ordering::Relaxed),
            };
            counts.map(one).collect::<Vec<_>>()
        };
        KINDS.into_iter().zip(&self.0).flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_where_it_belongs() {
        let counts = Counts::default();
        for (kind, status) in [
            (Kind::Production, 200),
            (Kind::Production, 206),
            (Kind::Development, 101),
            (Kind::None, 404),
            (Kind::Staging, 599),
            (Kind::Staging, 999),
        ] {
            counts.count(kind, StatusCode::from_u16(status).unwrap());
        }
        let all = counts.all();
        assert_eq!(all.len(), 20);
        let seen = all.into_iter().filter(|one| one.requests > 0);
        let seen: Vec<_> = seen
            .map(|one| (one.kind, one.class, one.requests))
            .collect();
        let expected = [
            (Kind::Production, 2, 2),
            (Kind::Staging, 5, 2),
            (Kind::Development, 1, 1),
            (Kind::None, 4, 1),
        ];
        assert_eq!(seen, expected);
    }
}
