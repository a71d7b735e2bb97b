//! Which environments of a project may live: the plan's limits, and what becomes of one past them.

use std::fmt;

use wharf_config::project::{Kind, MaxActive};

/// The code of what is not done because the environment is inactive.
pub const INACTIVE: &str = "inactive";

/// What an environment is at a time; the record's word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its branch is deployed.
    Active,
    /// A branch only: nothing runs, and nothing is kept but the code.
    Inactive,
    /// Its processes are stopped; data and release stay.
    Paused,
    /// Its branch is gone, and it goes too.
    Deleting,
}

impl Status {
    const ALL: [Status; 4] = [
        Status::Active,
        Status::Inactive,
        Status::Paused,
        Status::Deleting,
    ];

    /// The record's word, which people read too.
    pub fn word(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Inactive => "inactive",
            Status::Paused => "paused",
            Status::Deleting => "deleting",
        }
    }

    /// Reads the record's word. One that nobody knows is that of an environment that lives.
    pub fn of(word: &str) -> Status {
        let found = Status::ALL.into_iter().find(|status| status.word() == word);
        found.unwrap_or(Status::Active)
    }

    /// Whether it has a release, or is to have one.
    pub fn lives(self) -> bool {
        matches!(self, Status::Active | Status::Paused)
    }

    /// Whether it takes one of the plan's places: until it is gone, too.
    pub fn counts(self) -> bool {
        self.lives() || self == Status::Deleting
    }
}

/// What whoever moves a branch wants of its environment's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It stays as it is; a new one lives.
    AsItIs,
    /// It lives, where there is room.
    Active,
    /// A new one is inactive; one that lives goes on.
    Inactive,
}

impl Wish {
    /// The word that stands for it where the record's status is to be.
    pub fn word(self) -> &'static str {
        match self {
            Wish::AsItIs => "as it is",
            Wish::Active => Status::Active.word(),
            Wish::Inactive => Status::Inactive.word(),
        }
    }

    /// Reads the word.
    pub fn of(word: &str) -> Wish {
        let wishes = [Wish::Active, Wish::Inactive];
        let found = wishes.into_iter().find(|wish| wish.word() == word);
        found.unwrap_or(Wish::AsItIs)
    }
}

/// An environment as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: Kind,
    /// What it is.
    pub status: Status,
    /// When it was last deployed, in milliseconds since 1970-01-01 UTC.
    pub deployed: u64,
    /// Whether others hang on it.
    pub is_parent: bool,
}

/// The bound that leaves no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    /// The plan's name, where it has one.
    pub plan: Option<&'static str>,
    /// The type that is bounded; none: all together.
    pub kind: Option<Kind>,
    /// How many may.
    pub most: u32,
    /// Which take the places, the least recently deployed first, and what each is.
    pub taken: Vec<(String, Status)>,
    /// The one that would make room with the least loss; none where all are production.
    pub first: Option<String>,
}

/// Environments that are named in one line, at most.
const NAMED: usize = 6;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, most) = (self.taken.len(), self.most);
        write!(f, "{count} of {most} ")?;
        if let Some(kind) = self.kind {
            write!(f, "{} ", kind.as_str())?;
        }
        let all_active = self.taken.iter().all(|(_, is)| *is == Status::Active);
        f.write_str(match all_active {
            true => "environments are active",
            false => "environments take a place",
        })?;
        if let Some(plan) = self.plan {
            write!(f, " on plan {plan}")?;
        }
        let named = self.taken.iter().take(NAMED).map(|(id, is)| match is {
            Status::Active => id.clone(),
            other => format!("{id} ({})", other.word()),
        });
        write!(f, ": {}", named.collect::<Vec<_>>().join(", "))?;
        match self.taken.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Full {
    /// What makes room.
    pub fn hint(&self) -> String {
        match &self.first {
            Some(first) => format!("make room with: wharf deactivate -e {first}"),
            None => "ask the project's operator for a larger plan".to_owned(),
        }
    }
}

/// Whether one more of a type may live beside these. Production always may: a plan is for what
/// stands beside it.
///
/// # Errors
/// The first bound that leaves no room.
pub fn room(limits: &MaxActive, kind: Kind, others: &[Counted]) -> Result<(), Full> {
    if kind == Kind::Production {
        return Ok(());
    }
    let bounds = [
        (None, limits.total),
        (Some(kind), limits.by_kind.get(&kind).copied()),
    ];
    for (bounded, most) in bounds {
        let Some(most) = most else { continue };
        let fits = |one: &&Counted| bounded.is_none_or(|kind| one.kind == kind);
        let mut taken: Vec<&Counted> = others
            .iter()
            .filter(|one| one.status.counts())
            .filter(fits)
            .collect();
        if taken.len() < most as usize {
            continue;
        }
        taken.sort_by_key(|one| (one.deployed, one.id.as_str()));
        let may_go = taken.iter().filter(|one| one.kind != Kind::Production);
        // Of those on which nothing hangs, if there are any.
        let leaf = may_go.clone().find(|one| !one.is_parent);
        let first = leaf.or_else(|| may_go.clone().next());
        return Err(Full {
            plan: limits.plan,
            kind: bounded,
            most,
            first: first.map(|one| one.id.clone()),
            taken: taken
                .iter()
                .map(|one| (one.id.clone(), one.status))
                .collect(),
        });
    }
    Ok(())
}

/// What an environment is once a push to it is recorded. `known` is what it was; none where it is
/// new.
pub fn decide(
    limits: &MaxActive,
    kind: Kind,
    known: Option<Status>,
    wish: Wish,
    others: &[Counted],
) -> Status {
    match (known, wish) {
        (Some(lives), _) if lives.lives() => lives,
        // Its branch is there again, and so it keeps its place.
        (Some(Status::Deleting), _) => Status::Active,
        (Some(Status::Inactive), Wish::AsItIs | Wish::Inactive) => Status::Inactive,
        (_, Wish::Inactive) if kind != Kind::Production => Status::Inactive,
        _ => match room(limits, kind, others) {
            Ok(()) => Status::Active,
            Err(_) => Status::Inactive,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn counted(id: &str, kind: Kind, status: Status, deployed: u64) -> Counted {
        Counted {
            id: id.into(),
            kind,
            status,
            deployed,
            is_parent: false,
        }
    }

    fn starter() -> MaxActive {
        MaxActive {
            plan: Some("starter"),
            total: Some(4),
            by_kind: [(Kind::Staging, 1)].into(),
        }
    }

    #[test]
    fn a_full_plan_says_which_and_what_makes_room() {
        let mut all = vec![
            counted("main", Kind::Production, Status::Active, 1),
            counted("cart", Kind::Development, Status::Active, 9),
            counted("old", Kind::Development, Status::Paused, 3),
            counted("idea", Kind::Development, Status::Inactive, 0),
        ];
        assert_eq!(room(&starter(), Kind::Development, &all), Ok(()));
        all.push(counted("stage", Kind::Staging, Status::Deleting, 2));
        let full = room(&starter(), Kind::Development, &all).unwrap_err();
        assert_eq!(
            full.to_string(),
            "4 of 4 environments take a place on plan starter: main, stage (deleting), old (paused), \
             cart"
        );
        assert_eq!(full.hint(), "make room with: wharf deactivate -e stage");
        all[4].is_parent = true;
        let full = room(&starter(), Kind::Development, &all).unwrap_err();
        assert_eq!(full.hint(), "make room with: wharf deactivate -e old");
        assert_eq!(room(&starter(), Kind::Production, &all), Ok(()));
        all.retain(|one| one.id != "old");
        let full = room(&starter(), Kind::Staging, &all).unwrap_err();
        let said = "1 of 1 staging environments take a place on plan starter: stage (deleting)";
        assert_eq!(full.to_string(), said);
        assert_eq!(room(&MaxActive::default(), Kind::Staging, &all), Ok(()));
    }

    #[test]
    fn what_lives_goes_on_and_what_is_inactive_stays_so_unless_somebody_wants_it() {
        let none = MaxActive::default();
        let decide = |known, wish| super::decide(&none, Kind::Development, known, wish, &[]);
        for wish in [Wish::AsItIs, Wish::Active, Wish::Inactive] {
            for status in [Status::Active, Status::Paused] {
                assert_eq!(decide(Some(status), wish), status, "{wish:?}");
            }
        }
        assert_eq!(decide(None, Wish::AsItIs), Status::Active);
        assert_eq!(decide(None, Wish::Inactive), Status::Inactive);
        assert_eq!(
            decide(Some(Status::Deleting), Wish::Inactive),
            Status::Active
        );
        let inactive = Some(Status::Inactive);
        assert_eq!(decide(inactive, Wish::AsItIs), Status::Inactive);
        assert_eq!(decide(inactive, Wish::Active), Status::Active);
    }

    proptest! {
        #[test]
        fn a_limit_is_never_passed_by_what_is_no_production(
            total in 0_u32..6,
            wanted in prop::collection::vec((select(&Kind::ALL[..]), select(&[Wish::AsItIs, Wish::Active, Wish::Inactive][..])), 0..20),
        ) {
            let limits = MaxActive { total: Some(total), ..MaxActive::default() };
            let mut all: Vec<Counted> = Vec::new();
            for (number, (kind, wish)) in wanted.into_iter().enumerate() {
                let before = all.iter().filter(|one| one.status.counts()).count();
                let status = decide(&limits, kind, None, wish, &all);
                all.push(counted(&number.to_string(), kind, status, 0));
                if status.counts() && kind != Kind::Production {
                    prop_assert!(before < total as usize);
                }
            }
        }
    }
}
