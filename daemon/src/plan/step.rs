//! The steps of an activity: each is recorded as started before its effect and as ended after it.

use std::fmt;
use std::str::FromStr;

use wharf_wire::event::Stage;
use wharf_wire::outcome::Kind;

/// A step. Its name is what the store holds and what people read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The commit's files come into the work directory.
    Checkout,
    /// Patches are applied, after so many build commands.
    Patch(u32),
    /// A build command, or a group of them that run at the same time, counted from 1.
    Build(u32),
    /// A command that makes static content in the build, counted from 1.
    BuildAssets(u32),
    /// The work directory becomes a slug.
    Freeze,
    /// The release and its directories are made.
    Release,
    /// A service starts, where it does not run as it should.
    Service(String),
    /// The application says whether it is installed.
    ProbeInstall,
    /// The application says whether its visitors must not meet it.
    ProbeMaintenance,
    /// Visitors are kept away, or let in again: the route says so.
    Maintenance,
    /// Visitors and all that works with the data are kept away from it until it is known how the deployment ends.
    Close,
    /// It failed: the data is as it was, and what served serves on it again.
    PutBack,
    /// The environment's data is copied into its project's repository of snapshots.
    Snapshot,
    /// The copy is read, and held against what it should be.
    Verify,
    /// A snapshot comes out of the repository, beside what it is to replace.
    Fetch,
    /// It takes the place of the data that is there: from here on nothing goes back.
    Swap,
    /// The parent's data comes to a new environment.
    Clone,
    /// A snapshot goes.
    Forget,
    /// A command that makes static content of the release's own, counted from 1.
    Assets(u32),
    /// A command that installs the application, counted from 1.
    Install(u32),
    /// A deploy command, counted from 1.
    Command(u32),
    /// A command that brings sample data, counted from 1.
    Seed(u32),
    /// The web process starts beside the old one.
    Start,
    /// It answers well.
    Health,
    /// A worker starts.
    Worker(String),
    /// A command that must end well against the new release, counted from 1.
    Check(u32),
    /// The route is written: the commit point.
    Route,
    /// The branch that follows production is moved: the site already serves.
    Mirror,
    /// A late command, counted from 1: the site already serves.
    After(u32),
    /// Nothing is to be done: the environment stays as it is.
    Keep,
    /// The route of an environment that is paused says so.
    Suspend,
    /// The route of an environment that goes goes.
    Unroute,
    /// Its processes end.
    Stop,
    /// Its data is put aside.
    PutAside,
    /// A cron's command: it runs beside, and no step of it is recorded.
    Cron,
}

/// What a death in the middle of a step leaves, and so what may be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that counts: what is half made is thrown away, and made again.
    Discarded,
    /// Something of the user's own that may have happened: not done again unasked.
    Once,
    /// The same, but declared to be repeatable: it is done again.
    Again,
    /// One rename: it happened or it did not, and the table says which.
    Commit,
    /// Whatever is left to do is done by the next who looks.
    Finished,
}

impl Step {
    /// The stage that it belongs to.
    pub fn stage(&self) -> Stage {
        match self {
            Step::Checkout
            | Step::Patch(_)
            | Step::Build(_)
            | Step::BuildAssets(_)
            | Step::Freeze => Stage::Build,
            Step::Mirror | Step::After(_) => Stage::PostDeploy,
            _ => Stage::Deploy,
        }
    }

    /// What a death in its middle leaves.
    pub fn effect(&self) -> Effect {
        match self {
            Step::Command(_) | Step::Seed(_) | Step::After(_) => Effect::Once,
            Step::Install(_) | Step::Assets(_) | Step::Swap => Effect::Again,
            Step::Route => Effect::Commit,
            Step::Mirror
            | Step::Keep
            | Step::Suspend
            | Step::Unroute
            | Step::Stop
            | Step::Forget
            | Step::PutAside => Effect::Finished,
            _ => Effect::Discarded,
        }
    }

    /// Whether it comes after the commit point of a deployment, where nothing fails any more.
    pub fn is_late(&self) -> bool {
        matches!(self, Step::Mirror | Step::After(_))
    }

    /// Whether it only asks the application something.
    pub fn is_probe(&self) -> bool {
        matches!(self, Step::ProbeInstall | Step::ProbeMaintenance)
    }

    /// Whether it may have changed data that outlives the release.
    pub fn touches(&self) -> bool {
        matches!(self.effect(), Effect::Once | Effect::Again) && !self.is_late()
    }

    /// Whether it is done even when somebody stops the activity: nothing is left half-way.
    pub fn is_finishing(&self) -> bool {
        matches!(
            self,
            Step::Stop | Step::PutAside | Step::Swap | Step::PutBack
        )
    }

    /// Whether an activity of this kind has such a step.
    pub fn belongs_to(&self, kind: Kind) -> bool {
        let deletes = matches!(self, Step::Unroute | Step::Stop | Step::PutAside);
        let keeps = *self == Step::Keep;
        let restores = matches!(self, Step::Fetch | Step::Swap);
        let aside = matches!(self, Step::Suspend | Step::Forget | Step::Cron);
        let serves = !deletes && !keeps && !restores && !aside;
        // What runs before an earlier release serves again ran when it was made.
        let makes = !matches!(
            self,
            Step::Service(_)
                | Step::Start
                | Step::Health
                | Step::Worker(_)
                | Step::Route
                | Step::Mirror
        );
        match kind {
            // Of an inactive environment only the code is kept.
            Kind::Push | Kind::Branch | Kind::Merge | Kind::Promote | Kind::Sync => serves || keeps,
            Kind::Redeploy | Kind::Activate => serves,
            Kind::Rollback => serves && !makes,
            // It may be active already when its turn comes.
            Kind::Resume => (serves && !makes) || keeps,
            Kind::Pause => matches!(self, Step::Suspend | Step::Stop),
            Kind::MaintenanceOn | Kind::MaintenanceOff => *self == Step::Maintenance,
            Kind::Delete | Kind::Deactivate => deletes,
            Kind::Check => self.stage() == Stage::Build,
            Kind::Snapshot => matches!(self, Step::Snapshot | Step::Verify),
            // What serves then is a release that was there.
            Kind::Restore | Kind::DatabaseImport => restores || (serves && !makes),
            // A release is made of the slug that serves.
            Kind::Reset | Kind::SyncData => restores || (serves && self.stage() != Stage::Build),
            Kind::SnapshotTest => *self == Step::Fetch,
            Kind::SnapshotDelete => *self == Step::Forget,
            Kind::Cron => *self == Step::Cron,
            Kind::Seed => matches!(self, Step::Seed(_)),
            Kind::Info
            | Kind::Approve
            | Kind::Variable
            | Kind::Run
            | Kind::Import
            | Kind::Upload
            | Kind::Download => false,
        }
    }

    /// Whether it may come after `earlier` in one attempt.
    pub fn may_follow(&self, earlier: &Step) -> bool {
        match (earlier, self) {
            (Step::Worker(one), Step::Worker(other))
            | (Step::Service(one), Step::Service(other)) => one != other,
            // Where nothing is to be done, nothing is done.
            (Step::Keep, _) | (_, Step::Keep) => false,
            // They are applied once.
            (Step::Patch(_), Step::Patch(_)) => false,
            _ => earlier.place() < self.place(),
        }
    }

    /// Its place in the order of all steps.
    fn place(&self) -> (u8, u32) {
        match self {
            Step::Checkout => (0, 0),
            // As many build commands come before it as it says.
            Step::Patch(after) => (1, after.saturating_mul(2)),
            Step::Build(number) => (1, number.saturating_mul(2).saturating_sub(1)),
            Step::BuildAssets(number) => (2, *number),
            Step::Freeze => (3, 0),
            // What comes is there before a release has it and a server uses it.
            Step::Fetch => (3, 1),
            Step::Swap => (3, 2),
            Step::Release => (4, 0),
            Step::Clone => (4, 3),
            Step::Service(_) => (5, 0),
            Step::ProbeInstall => (6, 0),
            Step::ProbeMaintenance => (7, 0),
            Step::Maintenance => (8, 0),
            Step::Close => (8, 1),
            Step::Snapshot => (8, 2),
            Step::Verify => (8, 3),
            Step::Forget => (8, 4),
            Step::Assets(number) => (9, *number),
            Step::Install(number) => (10, *number),
            Step::Command(number) => (11, *number),
            Step::Seed(number) => (12, *number),
            Step::Start => (13, 0),
            Step::Health => (14, 0),
            Step::Worker(_) => (15, 0),
            Step::Check(number) => (16, *number),
            Step::Route => (17, 0),
            Step::Mirror => (18, 0),
            Step::After(number) => (19, *number),
            Step::Suspend | Step::Unroute => (20, 0),
            Step::Stop => (21, 0),
            Step::PutAside => (22, 0),
            Step::Keep => (23, 0),
            Step::Cron => (24, 0),
            // It comes after whatever failed.
            Step::PutBack => (25, 0),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Checkout => f.write_str("checkout"),
            Step::Patch(0) => f.write_str("patch"),
            Step::Patch(after) => write!(f, "patch {after}"),
            Step::Build(number) => write!(f, "build {number}"),
            Step::BuildAssets(number) => write!(f, "build assets {number}"),
            Step::Freeze => f.write_str("freeze"),
            Step::Release => f.write_str("release"),
            Step::Service(name) => write!(f, "service {name}"),
            Step::ProbeInstall => f.write_str("probe install"),
            Step::ProbeMaintenance => f.write_str("probe maintenance"),
            Step::Maintenance => f.write_str("maintenance"),
            Step::Close => f.write_str("close"),
            Step::PutBack => f.write_str("put back"),
            Step::Snapshot => f.write_str("snapshot"),
            Step::Verify => f.write_str("verify"),
            Step::Fetch => f.write_str("fetch"),
            Step::Swap => f.write_str("swap"),
            Step::Clone => f.write_str("clone"),
            Step::Forget => f.write_str("forget"),
            Step::Assets(number) => write!(f, "assets {number}"),
            Step::Install(number) => write!(f, "install {number}"),
            Step::Command(number) => write!(f, "deploy {number}"),
            Step::Seed(number) => write!(f, "seed {number}"),
            Step::Start => f.write_str("start"),
            Step::Health => f.write_str("health"),
            Step::Worker(name) => write!(f, "start worker {name}"),
            Step::Check(number) => write!(f, "check {number}"),
            Step::Route => f.write_str("route"),
            Step::Mirror => f.write_str("mirror"),
            Step::After(number) => write!(f, "after {number}"),
            Step::Keep => f.write_str("keep"),
            Step::Suspend => f.write_str("suspend"),
            Step::Unroute => f.write_str("unroute"),
            Step::Stop => f.write_str("stop"),
            Step::PutAside => f.write_str("put aside"),
            Step::Cron => f.write_str("cron"),
        }
    }
}

/// A name that no step has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no step is called `{0}`")]
pub struct NoStep(pub String);

impl FromStr for Step {
    type Err = NoStep;

    fn from_str(name: &str) -> Result<Step, NoStep> {
        let plain = match name {
            "checkout" => Some(Step::Checkout),
            "patch" => Some(Step::Patch(0)),
            "freeze" => Some(Step::Freeze),
            "release" => Some(Step::Release),
            "probe install" => Some(Step::ProbeInstall),
            "probe maintenance" => Some(Step::ProbeMaintenance),
            "maintenance" => Some(Step::Maintenance),
            "close" => Some(Step::Close),
            "put back" => Some(Step::PutBack),
            "snapshot" => Some(Step::Snapshot),
            "verify" => Some(Step::Verify),
            "fetch" => Some(Step::Fetch),
            "swap" => Some(Step::Swap),
            "clone" => Some(Step::Clone),
            "forget" => Some(Step::Forget),
            "start" => Some(Step::Start),
            "health" => Some(Step::Health),
            "route" => Some(Step::Route),
            "keep" => Some(Step::Keep),
            "suspend" => Some(Step::Suspend),
            "mirror" => Some(Step::Mirror),
            "unroute" => Some(Step::Unroute),
            "stop" => Some(Step::Stop),
            "put aside" => Some(Step::PutAside),
            "cron" => Some(Step::Cron),
            _ => None,
        };
        let counted = || {
            let (word, number) = name.rsplit_once(' ')?;
            let number = number.parse().ok()?;
            match word {
                "patch" => Some(Step::Patch(number)),
                "build" => Some(Step::Build(number)),
                "build assets" => Some(Step::BuildAssets(number)),
                "assets" => Some(Step::Assets(number)),
                "install" => Some(Step::Install(number)),
                "check" => Some(Step::Check(number)),
                "deploy" => Some(Step::Command(number)),
                "seed" => Some(Step::Seed(number)),
                "after" => Some(Step::After(number)),
                _ => None,
            }
        };
        let worker = || Some(Step::Worker(name.strip_prefix("start worker ")?.to_owned()));
        let service = || Some(Step::Service(name.strip_prefix("service ")?.to_owned()));
        plain
            .or_else(counted)
            .or_else(worker)
            .or_else(service)
            .ok_or_else(|| NoStep(name.to_owned()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::plan) fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Checkout),
            (0_u32..4).prop_map(Step::Patch),
            (1_u32..4).prop_map(Step::Build),
            (1_u32..3).prop_map(Step::BuildAssets),
            Just(Step::Freeze),
            Just(Step::Release),
            "[a-z]{1,3}".prop_map(Step::Service),
            Just(Step::ProbeInstall),
            Just(Step::ProbeMaintenance),
            Just(Step::Maintenance),
            Just(Step::Close),
            Just(Step::PutBack),
            Just(Step::Snapshot),
            Just(Step::Verify),
            Just(Step::Fetch),
            Just(Step::Swap),
            Just(Step::Clone),
            Just(Step::Forget),
            (1_u32..3).prop_map(Step::Assets),
            (1_u32..3).prop_map(Step::Install),
            (1_u32..4).prop_map(Step::Command),
            (1_u32..3).prop_map(Step::Seed),
            Just(Step::Start),
            Just(Step::Health),
            "[a-z]{1,3}".prop_map(Step::Worker),
            (1_u32..3).prop_map(Step::Check),
            Just(Step::Route),
            Just(Step::Mirror),
            (1_u32..4).prop_map(Step::After),
            Just(Step::Keep),
            Just(Step::Suspend),
            Just(Step::Unroute),
            Just(Step::Stop),
            Just(Step::PutAside),
        ]
    }

    #[test]
    fn patches_come_before_all_commands_or_after_the_one_they_name() {
        let [before, after, late] = [0, 1, 2].map(Step::Patch);
        let [one, two] = [1, 2].map(Step::Build);
        for good in [
            [Step::Checkout, before.clone(), one.clone()],
            [one.clone(), after.clone(), two.clone()],
            [two.clone(), late.clone(), Step::Freeze],
        ] {
            let follows = good.windows(2).all(|pair| pair[1].may_follow(&pair[0]));
            assert!(follows, "{good:?}");
        }
        for [earlier, later] in [
            [&one, &before],
            [&two, &after],
            [&after, &one],
            [&before, &after],
            [&Step::Freeze, &late],
        ] {
            assert!(!later.may_follow(earlier), "{earlier} {later}");
        }
        assert_eq!(before.effect(), Effect::Discarded);
    }

    proptest! {
        #[test]
        fn a_name_is_read_back(step in any_step()) {
            prop_assert_eq!(step.to_string().parse::<Step>(), Ok(step));
        }

        #[test]
        fn any_text_is_a_step_or_none(text in ".{0,40}") {
            if let Ok(step) = text.parse::<Step>() {
                prop_assert_eq!(step.to_string().parse::<Step>(), Ok(step));
            }
        }
    }
}
