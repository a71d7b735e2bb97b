//! Steps of stages in real sandboxes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use common::{NO_LIMITS, World, alive};
use tokio::time::{Instant, timeout};
use wharf_daemon::run::{
    calls::Calls,
    job::Stage,
    runner::Exit,
    sandbox::{Access, Bind, Network},
};

#[tokio::test]
async fn output_and_exit_status_come_through() {
    let world = World::new();
    let command = "echo one; echo two >&2; cat; exit 7";
    let (exit, output) = world.run(world.sandbox(), command).await;
    assert_eq!((exit, output.as_str()), (Exit::Code(7), "one\ntwo\n"));
    let (exit, _) = world.run(world.sandbox(), "kill -9 $$").await;
    assert_eq!(exit, Exit::Code(137));
    assert_eq!(
        fs::read_dir(world.path("jobs")).unwrap().count(),
        0,
        "jobs hold secrets"
    );
}

#[tokio::test]
async fn the_world_inside_is_an_allow_list() {
    let world = World::new();
    let (exit, output) = world
        .run(
            world.sandbox(),
            "echo $(ls /) / $(ls -A /home) / $(ls -A /tmp /home/app) / $(id -u) $(id -un) $(hostname) $PWD; \
             for p in /root /opt /srv /run /var /work /etc/shadow /etc/ssl/private /sys; do test -e $p && echo $p; done; \
             for p in / /etc /usr /dev; do touch $p/x 2>/dev/null && echo $p is writable; done; \
             touch /app/x /tmp/x /home/app/x /dev/shm/x || echo not writable; \
             ls /proc/self/fd | tr '\\n' ' '; exit 0",
        )
        .await;
    let expected = "app bin dev etc home lib lib64 proc sbin tmp usr / app / /home/app: /tmp: \
        / 1000 app app /app\n0 1 2 3 ";
    assert_eq!((exit, output.as_str()), (Exit::Code(0), expected));
    assert!(world.path("app/x").exists());
}

#[tokio::test]
async fn privileges_cannot_be_had() {
    let world = World::new();
    let mut sandbox = world.sandbox();
    sandbox.network = Network::None;
    let (_, output) = world
        .run(
            sandbox,
            "unshare -U true 2>/dev/null && echo user namespace; \
             mount -t tmpfs x /tmp 2>/dev/null && echo mount; \
             grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr '\\t\\n' '  '; \
             grep -c : /proc/net/dev; ulimit -c; tr '\\0' ' ' </proc/1/cmdline",
        )
        .await;
    let (facts, init) = output.split_at(output.find("wharf:").unwrap_or(output.len()));
    let expected = "CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 1\n0\n";
    assert_eq!(facts, expected);
    assert!(
        !init.contains("--setenv") && !init.contains("/app "),
        "{init}"
    );
}

#[tokio::test]
async fn what_a_filter_refuses_is_done_without_it() {
    let world = World::new();
    let command = "touch x; chmod 4755 x; stat -c %a x; chmod 755 x; stat -c %a x";
    let (_, output) = world.run(world.sandbox(), command).await;
    assert!(output.contains("Operation not permitted"), "{output}");
    assert!(output.ends_with("\n644\n755\n"), "{output}");
    let mut sandbox = world.sandbox();
    sandbox.calls = Calls::All;
    let (_, output) = world.run(sandbox, command).await;
    assert_eq!(output, "4755\n755\n");
}

#[tokio::test]
async fn variables_are_seen_by_the_command_only() {
    let world = World::new();
    let mut sandbox = world.sandbox();
    let library = world.path("app/evil.so");
    fs::write(&library, "").unwrap();
    // Outside, this path exists: bubblewrap itself must not see the variable.
    let value = library.to_str().unwrap().to_owned();
    sandbox.environment.insert("LD_PRELOAD".into(), value);
    sandbox
        .environment
        .insert("SECRET".into(), "a=b 'c'\nd".into());
    let command = "echo \"$SECRET\"; cat /proc/1/environ 2>/dev/null; env | cut -d= -f1 | sort | tr '\\n' ' '";
    let (exit, output) = world.run(sandbox, command).await;
    assert_eq!(exit, Exit::Code(0));
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| !line.contains("ld.so"))
        .collect();
    let names = "HOME LANG LD_PRELOAD LOGNAME PATH PWD SECRET SHELL TMPDIR USER d ";
    assert_eq!(lines, ["a=b 'c'", "d", names]);
}

#[tokio::test]
async fn binds_are_what_they_say() {
    let world = World::new();
    fs::create_dir_all(world.path("app/data")).unwrap();
    fs::write(world.path("app/one.txt"), "hidden").unwrap();
    fs::create_dir(world.path("mount")).unwrap();
    fs::write(world.path("single"), "file").unwrap();
    let mut sandbox = world.sandbox();
    sandbox.binds[0].access = Access::Read;
    for (source, target, access) in [
        ("mount", "/app/data", Access::Write),
        ("single", "/app/one.txt", Access::Read),
        ("mount", "/cache", Access::Write),
    ] {
        sandbox.binds.push(Bind {
            source: world.path(source),
            target: target.into(),
            access,
        });
    }
    let command = "cat one.txt; echo x >data/y; cat /cache/y; touch z || touch one.txt";
    let (exit, output) = world.run(sandbox, command).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(output.starts_with("filex\n"), "{output}");
    assert_eq!(
        output.matches("Read-only file system").count(),
        2,
        "{output}"
    );
}

#[tokio::test]
async fn a_step_ends_at_its_limit_and_when_it_is_silent() {
    let world = World::new();
    let limit = Duration::from_millis(300);
    let id = world.stage(
        "sleep 100 & sleep 100",
        Stage {
            limit: Some(limit),
            silence: None,
        },
    );
    let runner = world.runner();
    assert_eq!(
        runner.start(&id).await.unwrap().wait().await,
        Exit::TimedOut(limit)
    );
    let stage = Stage {
        limit: None,
        silence: Some(limit),
    };
    let id = world.stage(
        "for i in 1 2 3 4 5; do echo; sleep 0.1; done; exec sleep 100",
        stage,
    );
    let mut running = runner.start(&id).await.unwrap();
    let mut printed = 0;
    while let Some(chunk) = running.next_output().await {
        printed += chunk.len();
    }
    assert_eq!((running.wait().await, printed), (Exit::Silent(limit), 5));
}

#[tokio::test]
async fn cancel_ends_all_within_a_second() {
    let world = World::new();
    // Nothing of it wants to end, and a part has left its session.
    let command = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &) ; \
                   echo up; while :; do sleep 1; done";
    let id = world.stage(command, NO_LIMITS);
    let runner = world.runner();
    let mut running = runner.start(&id).await.unwrap();
    assert_eq!(running.next_output().await.unwrap(), b"up\n");
    let outer = running.pid().unwrap();
    let inside = descendants(outer);
    assert!(inside.len() >= 3, "{inside:?}");
    let before = Instant::now();
    assert!(runner.kill(&id));
    assert_eq!(running.wait().await, Exit::Cancelled);
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "{:?}",
        before.elapsed()
    );
    for pid in inside {
        assert!(!alive(pid), "{pid}");
    }
    assert!(!runner.kill(&id));
}

#[tokio::test]
async fn cancel_lets_a_step_end_by_itself() {
    let world = World::new();
    let id = world.stage(
        "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
        NO_LIMITS,
    );
    let runner = world.runner();
    let mut running = runner.start(&id).await.unwrap();
    assert_eq!(running.next_output().await.unwrap(), b"up\n");
    assert!(runner.kill(&id));
    let mut output = Vec::new();
    while let Some(chunk) = running.next_output().await {
        output.extend(chunk);
    }
    assert!(String::from_utf8(output).unwrap().ends_with("bye\n"));
    assert_eq!(running.wait().await, Exit::Cancelled);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_ends_with_the_step() {
    let world = World::new();
    let id = world.stage("setsid sleep 1000 & echo done", NO_LIMITS);
    let runner = world.runner();
    let running = runner.start(&id).await.unwrap();
    let exit = timeout(Duration::from_secs(2), running.wait())
        .await
        .unwrap();
    assert_eq!(exit, Exit::Code(0));
}

#[tokio::test]
async fn a_step_that_is_dropped_dies() {
    let world = World::new();
    let id = world.stage("echo up; sleep 1000", NO_LIMITS);
    let runner = world.runner();
    let mut running = runner.start(&id).await.unwrap();
    running.next_output().await.unwrap();
    let inside = descendants(running.pid().unwrap());
    let ends: Vec<_> = inside.iter().map(|pid| common::end_of(*pid)).collect();
    drop(running);
    for end in ends {
        end.await;
    }
}

#[tokio::test]
async fn fifty_megabytes_do_not_gather_in_memory() {
    let world = World::new();
    let id = world.stage("head -c 50000000 /dev/zero | tr '\\0' 'x'", NO_LIMITS);
    let runner = world.runner();
    let mut running = runner.start(&id).await.unwrap();
    let (mut total, mut largest) = (0, 0);
    while let Some(chunk) = running.next_output().await {
        total += chunk.len();
        largest = largest.max(chunk.capacity());
    }
    assert_eq!((running.wait().await, total), (Exit::Code(0), 50_000_000));
    assert!(largest <= 16 * 1024);
}

#[tokio::test]
async fn a_job_that_is_not_there_is_named() {
    let world = World::new();
    let runner = world.runner();
    let id = wharf_daemon::run::job::JobId::parse("none").unwrap();
    let error = runner.start(&id).await.unwrap_err();
    assert!(error.to_string().ends_with("/jobs/none.json"), "{error}");
    let id = world.stage("true", NO_LIMITS);
    let mode = fs::metadata(world.jobs().path(&id))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// All processes below one, itself too.
fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        found.extend(
            children
                .split_whitespace()
                .map(|id| id.parse::<i32>().unwrap()),
        );
        next += 1;
    }
    found
}
