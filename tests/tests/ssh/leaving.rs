//! Whoever leaves a push, by whichever way, at whichever of its steps: the work goes on without them,
//! nothing of theirs is left on the host, and the next push is as any other.
//!
//! The rows are points that a push passes, found by letting one run: a new step is a new row.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use wharf_tests::{Sample, Sshd, Verdict, Watched, World, ends, lines_obey_the_rules};
use wharf_wire::outcome::{Kind, State};

use crate::laptop::{BUILT, on_one_git_with};
use crate::leaver::Way;
use crate::rejected::{GATED, REJECT, open_gate};

/// The host file of these worlds: little is kept, so that there is little to judge.
const HOST: &str = "[keep]\nreleases = 2\n";
/// Worlds side by side.
const SHARDS: usize = 2;
/// The last point before the client hears of the end.
const LAST: &str = "record end: after";
/// A program of a push has so long to see that it is over.
const ENDING: Duration = Duration::from_secs(20);

/// What a push cannot leave out.
const PUSH: [&str; 13] = [
    "admission: judged",
    "record activities: before",
    "record beginning: before",
    "step build checkout: started",
    "step build build 1: started",
    "step build freeze: started",
    "step deploy release: started",
    "step deploy deploy 1: started",
    "step deploy start: started",
    "step deploy health: started",
    "step deploy route: started",
    "step post_deploy after 1: started",
    "record end: after",
];
/// What its check cannot.
const CHECK: [&str; 7] = [
    "admission: judged",
    "record activities: before",
    "record beginning: before",
    "step build checkout: started",
    "step build build 1: started",
    "step build freeze: started",
    "record end: before",
];

#[test]
fn whoever_leaves_at_whichever_step_stops_nothing() {
    matrix("", &PUSH, |desk, point, way| desk.goes_on(point, way));
}

#[test]
fn whoever_leaves_while_a_check_goes_on_gives_the_push_up() {
    matrix(REJECT, &CHECK, |desk, point, way| match way {
        Way::Stopped => desk.goes_on(point, way),
        Way::Interrupted | Way::Cut => desk.gives_up(point, way),
    });
}

#[test]
fn whoever_leaves_the_queue_keeps_their_place() {
    let files = [BUILT, ("build.sh", GATED), ("page", "one\n")];
    on_one_git_with(&files, |world, sshd, shop| {
        for (number, way) in (1..).zip(Way::ALL) {
            shop.write("page", &format!("{number}\n"));
            shop.commit("At work");
            let mut first = Watched::push(shop, &["main"]);
            first.until("| at the gate");
            shop.write("page", &format!("{number} waited\n"));
            shop.commit("Waits");
            let mut second = Watched::push(shop, &["main"]);
            second.until("waiting: ");
            let id = second.id();
            way.leave(&second, sshd);
            open_gate(world);
            first.end();
            open_gate(world);
            let serves = format!("main now serves r{}", 2 * number);
            shop.wharf(&["activity", "wait", &id]).ok().has(&serves);
            let said = way.read(second);
            assert_eq!(said.err.contains(&serves), way == Way::Stopped, "{said}");
            assert_eq!(shop.get("/").ok(), format!("{number} waited\n"));
        }
    });
}

/// Leaves by each way at each point of the first activity, in several worlds side by side.
fn matrix(
    host: &str,
    expected: &[&str],
    leave: impl Fn(&mut Desk<'_>, &str, Way) -> Result<(), String> + Sync,
) {
    let (points, problems) = (Mutex::new(None), Mutex::new(String::new()));
    let next = || {
        let mut points = points.lock().unwrap();
        let points: &mut Option<VecDeque<String>> = &mut points;
        points.as_mut().and_then(VecDeque::pop_front)
    };
    let host = format!("{HOST}{host}");
    let work = || {
        let world = World::with_git_and(&wharf_tests::gits()[0], &host);
        let sshd = Sshd::start(&world);
        let mut desk = Desk::set(&world, &sshd);
        let passed = desk.trace();
        for point in expected {
            assert!(
                passed.iter().any(|one| one == point),
                "no {point}: {passed:#?}"
            );
        }
        points.lock().unwrap().get_or_insert_with(|| rows(passed));
        while let Some(point) = next() {
            for way in Way::ALL {
                let Err(problem) = leave(&mut desk, &point, way) else {
                    continue;
                };
                let mut problems = problems.lock().unwrap();
                writeln!(problems, "{point}, {way:?}: {problem}").unwrap();
                // What is left of it may not disturb the next row.
                return;
            }
        }
        desk.push();
    };
    thread::scope(|scope| {
        for _ in 0..SHARDS {
            scope.spawn(work);
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "{problems}");
}

/// The points of the first activity at which somebody leaves: the beginnings of its steps, and of what
/// is no step's. What lies between the end of one and the beginning of the next is nothing to a client.
fn rows(passed: Vec<String>) -> VecDeque<String> {
    let end = passed.iter().position(|point| point == LAST);
    let passed = passed.into_iter().take(end.expect("an activity ends") + 1);
    let mut step = false;
    let rows = passed.filter(|point| {
        if point.starts_with("step ") {
            step = !point.ends_with(": ended");
            return point.ends_with(": started");
        }
        !step && (!point.ends_with(": after") || point == LAST)
    });
    rows.collect()
}

/// A developer's desk, and the host that is pushed to.
struct Desk<'world> {
    world: &'world World,
    sshd: &'world Sshd<'world>,
    sample: Sample<'world>,
}

impl<'world> Desk<'world> {
    fn set(world: &'world World, sshd: &'world Sshd<'world>) -> Desk<'world> {
        let mut sample = Sample::new(world, "shop");
        let ada = sshd.admit("ada");
        sshd.give(&ada, &mut sample.tree, "shop");
        Desk {
            world,
            sshd,
            sample,
        }
    }

    /// A push that nobody leaves.
    fn push(&mut self) {
        let version = self.sample.commit();
        let said = self.sample.tree.push(&["main"]).ok();
        lines_obey_the_rules(&said.transcript());
        assert!(!complains(&said.err), "{said}");
        let verdict = self.world.judge(&["shop"]).good(self.world);
        assert_eq!(verdict.of(&version).unwrap().state, State::Succeeded);
    }

    /// The points that a push passes whose processes take the place of others.
    fn trace(&mut self) -> Vec<String> {
        self.push();
        self.world.forget_trace();
        self.push();
        self.world.trace()
    }

    /// Somebody pushes and leaves at the point, and the push is carried out.
    fn goes_on(&mut self, point: &str, way: Way) -> Result<(), String> {
        let (version, push) = self.leave_at(point, way)?;
        self.world.settle("shop")?;
        // Nothing waits for whoever is away, not even one who is still connected.
        self.nothing_of_git_is_left()?;
        let said = way.read(push);
        if complains(&said.err) {
            return Err(format!("it was no clean push\n{said}"));
        }
        let verdict = self.judge()?;
        let activity = verdict.of(&version).ok_or("nothing is recorded of it")?;
        if (activity.kind, activity.state) != (Kind::Push, State::Succeeded) {
            let (kind, state) = (activity.kind.word(), activity.state.word());
            return Err(format!("its {kind} {state}: {:?}", activity.reason));
        }
        let serves = format!("main now serves r{}", activity.release.unwrap_or_default());
        if way == Way::Stopped && (said.code != 0 || !said.err.contains(&serves)) {
            return Err(format!("who came back is not told that {serves}\n{said}"));
        }
        Ok(())
    }

    /// Somebody pushes and leaves at the point, and so gives the push up.
    fn gives_up(&mut self, point: &str, way: Way) -> Result<(), String> {
        let before = self.world.tips("shop");
        let patient = self.hurry();
        let left = self.leave_at(point, way);
        let (version, push) = left?;
        way.read(push);
        self.nothing_of_git_is_left()?;
        fs::write(self.stub(), patient).unwrap();
        let verdict = self.judge()?;
        if self.world.tips("shop") != before {
            return Err("its ref has moved".into());
        }
        match verdict.of(&version) {
            None if point.starts_with("admission: ") => Ok(()),
            Some(one) if one.kind == Kind::Check => Ok(()),
            other => Err(format!("it was recorded as {other:?}")),
        }
    }

    /// Pushes a new version and leaves when the daemon is at the point.
    fn leave_at(&mut self, point: &str, way: Way) -> Result<(String, Watched), String> {
        let version = self.sample.commit();
        self.world.freeze_at(point);
        let push = Watched::push(&self.sample.tree, &["main"]);
        self.world.freezes()?;
        way.leave(&push, self.sshd);
        self.world.thaw();
        Ok((version, push))
    }

    /// Lets the hook see within a moment that its pusher is gone; returns how its stub was.
    fn hurry(&self) -> String {
        let patient = fs::read_to_string(self.stub()).unwrap();
        let hasty = patient.replace("write-ms = 10000", "write-ms = 1000");
        assert_ne!(hasty, patient);
        fs::write(self.stub(), hasty).unwrap();
        patient
    }

    fn stub(&self) -> std::path::PathBuf {
        self.world.repository("shop").join("hooks/proc-receive")
    }

    /// Waits until git and its hooks have ended on the host.
    fn nothing_of_git_is_left(&self) -> Result<(), String> {
        for process in self.world.processes() {
            if is_of_push(&process.line) && !ends(process.pid, ENDING) {
                return Err(format!("a process is left: {:?}", process.line));
            }
        }
        Ok(())
    }

    fn judge(&self) -> Result<Verdict, String> {
        let verdict = self.world.judge(&["shop"]);
        match verdict.problems.as_slice() {
            [] => Ok(verdict),
            problems => Err(problems.join("\n")),
        }
    }
}

/// Whether these are the arguments of a program that a push starts on the host.
fn is_of_push(line: &[String]) -> bool {
    let program = line[0].rsplit('/').next().unwrap_or_default();
    match program {
        "git" => line.get(1).is_some_and(|word| word == "receive-pack"),
        program => program.ends_with("-receive") || program.ends_with("receive-pack"),
    }
}

/// Whether the host had something to say that belongs to no good push.
fn complains(read: &str) -> bool {
    let mut lines = read
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "));
    lines.any(|line| line.starts_with("error: ") || line.starts_with("warning: "))
}
