//! What is done while something is killed, and what must come of it.

use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use wharf_tests::{REPEATABLE, Sample, Verdict, World};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use crate::matrix::Point;
use crate::parking::was_approved;
use crate::victim::Victim;
use crate::visitor::{Visits, wrong};

/// The host file of these worlds: little is kept, so that each push removes something, too.
const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nreleases = 2\n";
/// What lets a project build each push before git takes it.
const REJECT: &str = "[push]\non_failure = \"reject\"\n";
/// So many pushes until each removes a release and a slug.
const WARM: u32 = 9;

/// A process that was killed serves again by then.
const MENDED: Duration = Duration::from_secs(20);
/// The last point of a switch.
pub(crate) const RETIRED: &str = "retire: done";

/// Where a merge has changed nothing yet.
const BEFORE_MOVE: [&str; 3] = ["move: judged", "move: kept", "move: announced"];

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A push whose deploy commands run once.
    Push,
    /// A push whose deploy commands may run twice.
    RepeatablePush,
    /// A push whose deployment keeps visitors away, makes static content and is checked.
    FullPush,
    /// The same that installs the application.
    InstallingPush,
    /// A push that is refused where its build fails.
    CheckedPush,
    /// A push, and another one right behind it.
    TwoPushes,
    /// A push to another branch.
    OtherPush,
    /// `wharf rollback`.
    Rollback,
    /// `git push wharf :branch`.
    Delete,
    /// `wharf pause`.
    Pause,
    /// `wharf resume`.
    Resume,
    /// `wharf deactivate`.
    Deactivate,
    /// `wharf merge` of a child that has what `main` has, and more.
    Merge,
    /// A push that is built and then waits for an approval.
    Park,
    /// `wharf approve` of such a one.
    Approve,
}

/// Who is killed when, and what that may lead to.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) point: Point,
    pub(crate) victim: Victim,
    /// A deploy command had begun that may not run twice.
    pub(crate) may_fail: bool,
    /// It was not accepted yet.
    pub(crate) may_be_refused: bool,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Push => "push",
            Operation::RepeatablePush => "repeatable push",
            Operation::FullPush => "push with maintenance",
            Operation::InstallingPush => "push that installs",
            Operation::CheckedPush => "checked push",
            Operation::TwoPushes => "pair of pushes",
            Operation::OtherPush => "push to another branch",
            Operation::Rollback => "rollback",
            Operation::Delete => "delete",
            Operation::Pause => "pause",
            Operation::Resume => "resume",
            Operation::Deactivate => "deactivation",
            Operation::Merge => "merge",
            Operation::Park => "push that waits",
            Operation::Approve => "approval",
        }
    }

    /// Whether it pushes something new.
    fn pushes(self) -> bool {
        match self {
            Operation::Push
            | Operation::RepeatablePush
            | Operation::FullPush
            | Operation::InstallingPush
            | Operation::CheckedPush
            | Operation::TwoPushes
            | Operation::OtherPush
            | Operation::Park => true,
            Operation::Rollback
            | Operation::Delete
            | Operation::Pause
            | Operation::Resume
            | Operation::Deactivate
            | Operation::Approve
            | Operation::Merge => false,
        }
    }

    fn environment(self) -> &'static str {
        match self {
            Operation::Delete
            | Operation::OtherPush
            | Operation::Pause
            | Operation::Resume
            | Operation::Park
            | Operation::Approve
            | Operation::Deactivate => "feature",
            Operation::Push
            | Operation::RepeatablePush
            | Operation::FullPush
            | Operation::InstallingPush
            | Operation::CheckedPush
            | Operation::TwoPushes
            | Operation::Merge
            | Operation::Rollback => "main",
        }
    }

    /// A world for [`Stage::set`].
    pub(crate) fn world(self) -> World {
        world(if self == Operation::CheckedPush {
            REJECT
        } else {
            ""
        })
    }

    /// Between the beginning of a deploy command and the switch a push may fail, and only then, and
    /// only where the daemon died.
    pub(crate) fn may_fail(self, points: &[Point], row: usize, victim: Victim) -> bool {
        let place = |name: &str| points.iter().position(|point| point.point == name);
        let began = place("step deploy deploy 1: starting");
        let route = place("step deploy route: starting");
        let switched = route.and_then(|route| {
            let rest = points[route..].iter();
            rest.clone()
                .position(|point| point.point == "record state of release: before")
                .map(|further| route + further)
        });
        matches!(
            self,
            Operation::Push | Operation::FullPush | Operation::Merge | Operation::Approve
        ) && victim.is_daemon()
            && began.is_some_and(|began| row > began)
            && switched.is_some_and(|switched| row < switched)
    }

    /// A command of a person is accepted once it is recorded; a push once git moved the refs.
    pub(crate) fn may_be_refused(self, point: &Point, victim: Victim) -> bool {
        let has_died = victim.is_daemon();
        match self {
            Operation::Rollback | Operation::Pause | Operation::Resume | Operation::Deactivate => {
                has_died && point.point == "record activities: before"
            }
            Operation::Approve => has_died && point.point == "record going on: before",
            // From there on the branch moves.
            Operation::Merge => has_died && BEFORE_MOVE.contains(&point.point.as_str()),
            // Its rows end where git takes it.
            Operation::CheckedPush => has_died,
            _ => has_died && point.point == "admission: judged",
        }
    }
}

/// A world for [`Stage::set`], with more lines in the host's file.
pub(crate) fn world(more: &str) -> World {
    World::with_host_file(&format!("{HOST}{more}"))
}

/// A world with the application, pushed so often that each push removes something, too.
#[derive(Debug)]
pub(crate) struct Stage<'world> {
    pub(crate) world: &'world World,
    pub(crate) sample: Sample<'world>,
    /// What `main` serves.
    pub(crate) serves: String,
    /// What was last pushed to it and succeeded.
    newest: String,
    /// Activities that are older were judged.
    judged: u64,
    /// The id of the activity that waits for an approval.
    pub(crate) parked: String,
}

/// The moment itself is what is chosen: nothing tells of it.
fn wait_until(moment: Instant) {
    let (_keep, never) = mpsc::channel::<()>();
    let left = moment.saturating_duration_since(Instant::now());
    assert_eq!(never.recv_timeout(left), Err(RecvTimeoutError::Timeout));
}

/// Somebody's command, at work.
pub(crate) struct Client(Child);

impl Client {
    /// Waits for its end; whether it said that all is well.
    pub(crate) fn end(mut self) -> bool {
        self.0.wait().unwrap().success()
    }
}

impl<'world> Stage<'world> {
    /// Sets it up.
    pub(crate) fn set(world: &'world World) -> Stage<'world> {
        Stage::of(world, Sample::new(world, "shop"))
    }

    /// Sets it up with the application that the operation is about.
    pub(crate) fn set_for(world: &'world World, operation: Operation) -> Stage<'world> {
        match operation {
            Operation::FullPush => Stage::of(world, Sample::full(world, "shop")),
            Operation::InstallingPush => Stage::of(world, Sample::fresh(world, "shop")),
            _ => Stage::set(world),
        }
    }

    fn of(world: &'world World, sample: Sample<'world>) -> Stage<'world> {
        let mut stage = Stage {
            world,
            sample,
            serves: String::new(),
            newest: String::new(),
            judged: 0,
            parked: String::new(),
        };
        for _ in 0..WARM {
            stage.push();
        }
        stage
    }

    /// A push that nobody disturbs, which also shows that the last one left all in order.
    pub(crate) fn push(&mut self) {
        self.newest = self.sample.commit();
        self.world.forget_trace();
        let said = self.sample.tree.push(&["main"]).ok();
        said.has("success: ");
        if !self.serves.is_empty() {
            // What it replaced ends later, and would pass points in the next operation's trace.
            self.world.wait_for_point(RETIRED);
        }
        self.serves.clone_from(&self.newest);
    }

    /// The points that an operation passes.
    pub(crate) fn trace(&mut self, operation: Operation) -> Vec<String> {
        self.prepare(operation);
        self.world.forget_trace();
        self.begin(operation).end();
        if operation.environment() == "main" || operation == Operation::Approve {
            self.world.wait_for_point(RETIRED);
        }
        self.world.judge(&["shop"]).good(self.world);
        self.world.trace()
    }

    /// Brings about what the operation needs; returns what serves before it and after it.
    pub(crate) fn prepare(&mut self, operation: Operation) -> (Option<String>, Option<String>) {
        let before = self.serves.clone();
        match operation {
            Operation::Push
            | Operation::FullPush
            | Operation::CheckedPush
            | Operation::TwoPushes
            | Operation::OtherPush => (Some(before), Some(self.sample.commit())),
            Operation::RepeatablePush | Operation::InstallingPush => {
                (Some(before), Some(self.sample.commit_repeatable()))
            }
            Operation::Park => {
                let before = self.approved();
                (Some(before), Some(self.sample.commit()))
            }
            Operation::Approve => {
                let before = self.approved();
                let version = self.sample.commit();
                self.parked = self.park();
                (Some(before), Some(version))
            }
            Operation::Rollback => {
                let target = self.newest.clone();
                self.push();
                (Some(self.newest.clone()), Some(target))
            }
            Operation::Merge => {
                // A child of its own each time: none of its processes ends while this goes on.
                if self.world.tips("shop").contains_key("feature") {
                    self.sample.tree.push(&[":feature"]).ok();
                }
                let version = self.sample.commit();
                let pushed = self.sample.tree.push(&["main:feature"]).ok();
                pushed.has("success: ");
                (Some(before), Some(version))
            }
            Operation::Delete => {
                let version = self.sample.commit();
                self.sample
                    .tree
                    .push(&["main:feature"])
                    .ok()
                    .has("success: ");
                (Some(version), None)
            }
            Operation::Pause | Operation::Deactivate | Operation::Resume => {
                let version = self.feature();
                if operation != Operation::Resume {
                    return (Some(version), None);
                }
                self.sample.tree.wharf(&["pause", "-e", "feature"]).ok();
                (None, Some(version))
            }
        }
    }

    /// Makes sure that `feature` serves; returns its version.
    fn feature(&mut self) -> String {
        let version = self.sample.commit();
        let known = self.world.environments(Some("shop")).unwrap_or_default();
        let status = known.into_iter().find(|one| one.id == "feature");
        let said = self.sample.tree.push(&["main:feature"]).ok();
        match status.is_some_and(|one| one.status == "inactive") {
            true => self.sample.tree.wharf(&["activate", "-e", "feature"]).ok(),
            false => said,
        }
        .has("feature now serves ");
        version
    }

    pub(crate) fn begin(&self, operation: Operation) -> Client {
        let tree = &self.sample.tree;
        let words: &[&str] = match operation {
            Operation::Push
            | Operation::RepeatablePush
            | Operation::FullPush
            | Operation::InstallingPush
            | Operation::CheckedPush
            | Operation::TwoPushes => &["git", "push", "wharf", "main"],
            Operation::OtherPush | Operation::Park => &["git", "push", "wharf", "main:feature"],
            Operation::Approve => &["wharf", "approve", &self.parked],
            Operation::Rollback => &["wharf", "rollback"],
            Operation::Delete => &["git", "push", "wharf", ":feature"],
            Operation::Pause => &["wharf", "pause", "-e", "feature"],
            Operation::Resume => &["wharf", "resume", "-e", "feature"],
            Operation::Deactivate => &["wharf", "deactivate", "-e", "feature"],
            Operation::Merge => &["wharf", "merge", "-e", "feature"],
        };
        let mut command = tree.command(words[0]);
        command.args(&words[1..]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Client(command.spawn().unwrap())
    }

    /// Does it, kills, starts again, judges. Returns what came of it, or all that is wrong.
    pub(crate) fn perform(
        &mut self,
        operation: Operation,
        fault: &Fault,
    ) -> Result<String, Vec<String>> {
        let (old, new) = self.prepare(operation);
        let host = format!("{}--shop.localhost", operation.environment());
        let visits = Visits::begin(self.world, &host);
        let client = self.reach(operation, &fault.point);
        let client = match client {
            Ok(client) => client,
            Err(problem) => {
                visits.end();
                return Err(vec![problem]);
            }
        };
        fault.victim.strike(self.world, |_| 0);
        let is_content = client.end();
        let verdict = self.world.judge(&["shop"]);
        let answers = visits.end();

        let mut problems = verdict.problems.clone();
        if operation == Operation::CheckedPush && is_content != self.is_taken() {
            problems.push(format!("the client says {is_content}, git another thing"));
        }
        let result = self.result(operation, fault, &verdict, new.as_deref());
        let (word, reached) = match result {
            Ok(result) => result,
            Err(problem) => {
                problems.push(problem);
                return Err(problems);
            }
        };
        let after = if reached { new } else { old.clone() };
        let spared = fault.victim.spares_visitors();
        problems.extend(wrong(&answers, old.as_deref(), after.as_deref(), spared));
        if operation.environment() == "main" {
            self.serves = after.unwrap_or_default();
        }
        if problems.is_empty() {
            Ok(word)
        } else {
            Err(problems)
        }
    }

    /// Begins it, kills after a while, starts again, judges. Returns all that is wrong.
    pub(crate) fn perform_at(
        &mut self,
        operation: Operation,
        victim: Victim,
        after: Duration,
        chosen: &mut fastrand::Rng,
    ) -> Vec<String> {
        let visits = Visits::begin(self.world, "main--shop.localhost");
        if operation.pushes() {
            self.newest = match operation {
                Operation::RepeatablePush => self.sample.commit_repeatable(),
                _ => self.sample.commit(),
            };
        }
        let mut clients = vec![self.begin(operation)];
        let until = Instant::now() + after;
        if operation == Operation::TwoPushes {
            let half = after.mul_f64(chosen.f64());
            wait_until(until.checked_sub(half).unwrap());
            self.newest = self.sample.commit();
            clients.push(self.begin(operation));
        }
        wait_until(until);
        victim.strike(self.world, |count| chosen.usize(0..count));
        for client in clients {
            client.end();
        }
        let mut verdict = self.world.judge(&["shop"]);
        // Nobody has to tell the daemon at once that a process has ended.
        let until = Instant::now() + MENDED;
        while victim.is_application() && !verdict.problems.is_empty() && Instant::now() < until {
            verdict = self.world.judge(&["shop"]);
        }
        let answers = visits.end();
        let mut problems = verdict.problems;
        for answer in answers {
            let bad = match &answer {
                Ok((status, _)) => *status != 200 && !victim.is_application(),
                Err(_) => victim.spares_visitors(),
            };
            if bad {
                problems.push(format!("a visitor got {answer:?}"));
                break;
            }
        }
        let fresh = verdict
            .activities
            .iter()
            .filter(|one| one.created >= self.judged);
        for activity in fresh {
            let code = activity.reason.as_ref().map(|reason| reason.code.as_str());
            let may = match (activity.state, code) {
                (State::Succeeded, _) => true,
                (State::Superseded, _) => activity.kind == Kind::Push,
                (State::Failed, Some("interrupted")) => {
                    victim.is_daemon() && !activity.commit.subject.ends_with(REPEATABLE)
                }
                (State::Failed, Some(_)) => victim.is_application(),
                _ => false,
            };
            if !may {
                let (id, state) = (&activity.id, activity.state.word());
                problems.push(format!("{id} {state}: {:?}", activity.reason));
            }
        }
        let newest = verdict.activities.iter().map(|one| one.created).max();
        self.judged = newest.unwrap_or_default() + 1;
        problems
    }

    /// Begins the operation and lets the daemon freeze at the point.
    fn reach(&self, operation: Operation, point: &Point) -> Result<Client, String> {
        self.world.freeze_at(&point.point);
        let client = self.begin(operation);
        for time in 1..=point.time {
            if let Err(problem) = self.world.freezes() {
                self.world.kill_daemon();
                self.world.start();
                client.end();
                return Err(problem);
            }
            if time < point.time {
                self.world.freeze_at(&point.point);
                self.world.thaw();
            }
        }
        Ok(client)
    }

    /// Whether git took the newest version.
    fn is_taken(&self) -> bool {
        let head = self.sample.tree.git(&["rev-parse", "HEAD"]).ok().out;
        let tips = self.world.tips("shop");
        tips.get("main").is_some_and(|tip| tip == head.trim())
    }

    /// A word for what came of it, and whether its aim was reached.
    fn result(
        &self,
        operation: Operation,
        fault: &Fault,
        verdict: &Verdict,
        new: Option<&str>,
    ) -> Result<(String, bool), String> {
        let newest = |kind: Kind| verdict.activities.iter().find(|one| one.kind == kind);
        // Not one of an earlier row.
        let fresh = |kind: Kind| verdict.activities.first().filter(|one| one.kind == kind);
        let activity: Option<&Activity> = match operation {
            Operation::Push
            | Operation::RepeatablePush
            | Operation::FullPush
            | Operation::InstallingPush
            | Operation::TwoPushes
            | Operation::Park
            | Operation::Approve
            | Operation::OtherPush => verdict.of(new.unwrap_or_default()),
            Operation::Rollback => newest(Kind::Rollback)
                .filter(|one| new.is_some_and(|new| one.commit.subject == new)),
            Operation::Merge => {
                newest(Kind::Merge).filter(|one| new.is_some_and(|new| one.commit.subject == new))
            }
            Operation::Delete => newest(Kind::Delete),
            Operation::Pause => fresh(Kind::Pause),
            Operation::Resume => fresh(Kind::Resume),
            Operation::Deactivate => fresh(Kind::Deactivate),
            Operation::CheckedPush => {
                let of = |kind: Kind| {
                    let mut all = verdict.activities.iter();
                    all.find(|one| one.kind == kind && new == Some(one.commit.subject.as_str()))
                };
                let (check, push) = (of(Kind::Check), of(Kind::Push));
                let passed = check.is_some_and(|check| check.state == State::Succeeded);
                if push.is_some() && !passed {
                    return Err(format!("git took it after {check:?}"));
                }
                push
            }
        };
        let Some(activity) = activity else {
            return if fault.may_be_refused {
                Ok(("not accepted".into(), false))
            } else {
                Err("it was accepted and is not recorded".into())
            };
        };
        let code = activity.reason.as_ref().map(|reason| reason.code.as_str());
        if operation == Operation::Approve {
            was_approved(activity, fault)?;
        }
        match (activity.state, code) {
            (State::Waiting, Some("approval")) => {
                self.approve(activity)?;
                Ok(("waits, and went live when approved".into(), false))
            }
            (State::Succeeded, _) if operation == Operation::Park => {
                Err("it did not wait for its approval".into())
            }
            (State::Succeeded, _) => {
                let again = activity.steps.iter().any(|step| step.name == "restart");
                let word = match (again, code) {
                    (_, Some(code)) => format!("succeeded ({code})"),
                    (true, _) => "succeeded after the restart".into(),
                    (false, _) => "succeeded".into(),
                };
                Ok((word, true))
            }
            (State::Failed, Some("interrupted")) if fault.may_fail => {
                Ok(("failed: interrupted".into(), false))
            }
            (state, _) => Err(format!("it {}: {:?}", state.word(), activity.reason)),
        }
    }
}
