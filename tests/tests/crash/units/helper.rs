//! The helper dies before each call by which it changes something, during a push: strace kills it there,
//! so that the helper itself knows of no test.

use wharf_tests::{Strace, World};
use wharf_wire::outcome::State;

use crate::matrix::EVERY;
use crate::operation::{Operation, RETIRED, Stage};
use crate::table::keep;
use crate::visitor::{Visits, wrong};
use crate::within::within;

/// What changes files, mounts or users, and what is said to systemd and to the daemon.
const CALLS: &str = "mkdir,mkdirat,rename,unlink,unlinkat,rmdir,move_mount,mount_setattr,umount2,\
    write,fsync,sendmsg,sendto";

/// What a step ends as of which nobody knows how it ended.
const FAILURES: [&str; 4] = ["host", "build-failed", "deploy-failed", "crashed"];

#[test]
fn a_push_survives_the_helper_s_death_before_each_of_its_calls() {
    if !within("units::helper::a_push_survives_the_helper_s_death_before_each_of_its_calls") {
        return;
    }
    let world = Operation::Push.world();
    let mut stage = Stage::set_for(&world, Operation::Push);
    let calls = calls(&mut stage);
    for needed in ["mkdir(", "move_mount(", "umount2(", "sendmsg(", "rmdir("] {
        let is_there = calls.iter().any(|call| call.contains(needed));
        assert!(is_there, "it makes no {needed}: {calls:#?}");
    }
    let mut table = String::from("kill -9 of the helper in a push\n");
    let mut problems = Vec::new();
    let all = std::env::var_os("WHARF_CRASH_ALL").is_some();
    for (number, call) in calls.iter().enumerate() {
        if !all && number % EVERY != 0 {
            continue;
        }
        let came = die_before(&world, &mut stage, &calls, number);
        let word = came.clone().unwrap_or_else(|_| "WRONG".into());
        let line = format!("{:3} before {call:.70}  {word}\n", number + 1);
        eprint!("{line}");
        table.push_str(&line);
        if let Err(wrong) = came {
            problems.push(format!("{} {call}\n{}", number + 1, wrong.join("\n")));
        }
    }
    keep("crash-units-helper", &table);
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// The calls that the helper makes during a push, and until what it replaced has ended.
fn calls(stage: &mut Stage<'_>) -> Vec<String> {
    let strace = Strace::of(stage.world.helper_pid(), CALLS);
    stage.push();
    stage.world.wait_for_point(RETIRED);
    stage.world.judge(&["shop"]).good(stage.world);
    strace.calls()
}

/// Kills it before the n-th of its calls in a push, and judges; what came of that, or all that is wrong.
fn die_before(
    world: &World,
    stage: &mut Stage<'_>,
    calls: &[String],
    n: usize,
) -> Result<String, Vec<String>> {
    let (old, new) = stage.prepare(Operation::Push);
    let visits = Visits::begin(world, "main--shop.localhost");
    let strace = Strace::kills_before(world.helper_pid(), calls, n);
    stage.begin(Operation::Push).end();
    let verdict = world.judge(&["shop"]);
    let answers = visits.end();
    let died = strace.end().contains("killed by SIGKILL");
    let mut problems = verdict.problems.clone();
    let Some(activity) = verdict.of(new.as_deref().unwrap_or_default()) else {
        problems.push("it was accepted and is not recorded".into());
        return Err(problems);
    };
    let code = activity.reason.as_ref().map(|reason| reason.code.as_str());
    let reached = activity.state == State::Succeeded;
    // Nothing of these says that the application is at fault.
    let may = match activity.state {
        State::Succeeded => true,
        State::Failed => code.is_some_and(|code| FAILURES.contains(&code)),
        _ => false,
    };
    if !may {
        problems.push(format!(
            "it {}: {:?}",
            activity.state.word(),
            activity.reason
        ));
    }
    let after = if reached { new } else { old.clone() };
    problems.extend(wrong(&answers, old.as_deref(), after.as_deref(), true));
    stage.serves = after.unwrap_or_default();
    if !problems.is_empty() {
        return Err(problems);
    }
    let state = activity.state.word();
    let word = code.map_or(state.to_owned(), |code| format!("{state} ({code})"));
    Ok(if died { word } else { format!("{word}, alive") })
}
