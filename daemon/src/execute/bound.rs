//! What a stage of an activity may take: its time is for all of its steps together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wharf_config::host::{Limits, Resources};

use super::failure::Failure;
use super::launch;
use crate::report;
use crate::run::meter::{Excess, Resource};
use crate::run::sandbox;

/// The stable code of what took more than it may.
pub(super) const OVER: &str = "over-limit";

/// What a run of a cron is called.
const CRON: &str = "cron";
/// Bytes that a run of a cron may print: some 40 of each are kept.
const OUTPUT_OF_CRON: u64 = 5_000_000;

/// Adds to a sandbox's limits what the operator wrote.
#[must_use]
pub(super) fn granted(limits: sandbox::Limits, resources: &Resources) -> sandbox::Limits {
    sandbox::Limits {
        open_files: Some(resources.open_files.into()),
        processes: Some(resources.tasks.into()),
        memory: resources.memory,
        cpus: resources.cpus.map(u64::from),
        disk: resources.disk,
        ..limits
    }
}

/// The limits of a stage that has begun.
#[derive(Debug, Clone)]
pub struct Bound {
    stage: &'static str,
    code: &'static str,
    limits: Limits,
    until: Instant,
}

impl Bound {
    /// Those of a build that begins now.
    pub fn of_build(limits: &Limits) -> Bound {
        Bound::new("build", "build-failed", limits)
    }

    /// Those of deploy commands of which the first begins now.
    pub fn of_deploy(limits: &Limits) -> Bound {
        Bound::new("deploy", "deploy-failed", limits)
    }

    /// Those of a release's checks, of which the first begins now.
    pub fn of_checks(limits: &Limits) -> Bound {
        Bound::new("deploy", "check-failed", limits)
    }

    /// Those of a cron's run that begins now: its time is its own, and it may take of the host what
    /// processes may.
    pub fn of_cron(resources: &Resources, time: Duration) -> Bound {
        let limits = Limits {
            time,
            silence: None,
            output: OUTPUT_OF_CRON,
            resources: *resources,
        };
        Bound::new(CRON, "cron-failed", &limits)
    }

    fn new(stage: &'static str, code: &'static str, limits: &Limits) -> Bound {
        Bound {
            stage,
            code,
            limits: limits.clone(),
            until: Instant::now() + limits.time,
        }
    }

    /// The stable code of a step that fails.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is left of the stage's time.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// How long a step may print nothing.
    pub fn silence(&self) -> Option<Duration> {
        self.limits.silence
    }

    /// How many bytes a step may print.
    pub fn output(&self) -> u64 {
        self.limits.output
    }

    /// What a command may take of the host.
    pub fn resources(&self) -> &Resources {
        &self.limits.resources
    }

    /// That the time is over: why a step was ended, and what to do.
    pub fn late(&self) -> [String; 2] {
        let time = humantime::format_duration(self.limits.time);
        let why = format!("the {} took longer than {time}", self.stage);
        [why, self.raise("make it faster", "time")]
    }

    /// That a step said nothing for too long.
    pub fn silent(&self) -> [String; 2] {
        let silence = self.limits.silence.unwrap_or_default();
        let why = format!(
            "it printed nothing for {}",
            humantime::format_duration(silence)
        );
        [why, self.raise("let it say what it does", "silence")]
    }

    /// That a step said too much.
    pub fn loud(&self) -> [String; 2] {
        let why = format!("it printed more than {}", report::size(self.limits.output));
        [why, self.raise("let it print less", "output")]
    }

    /// That a command took too much of the host.
    pub fn exceeded(&self, excess: &Excess) -> [String; 2] {
        let Excess { resource, .. } = excess;
        let raise = self.raise(resource.instead(), resource.key());
        let why = excess.said(self.table());
        match resource {
            Resource::Memory | Resource::Disk => [format!("stopped: {why}"), raise],
            // The kernel only refused it more, and it failed.
            Resource::Tasks => [why, raise],
        }
    }

    /// What a command may have met that says this: the kernel refuses what goes beyond some limits,
    /// and only the command knows.
    pub fn met(&self, line: &str) -> Option<String> {
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        let Resources {
            tasks, open_files, ..
        } = self.limits.resources;
        let (key, value, instead) = if says(&["Too many open files", "EMFILE"]) {
            ("open_files", open_files, "let it close some")
        } else if says(&[
            "Resource temporarily unavailable",
            "can't start new thread",
            "annot fork",
            "EAGAIN",
        ]) {
            ("tasks", tasks, Resource::Tasks.instead())
        } else {
            return None;
        };
        let raise = self.raise(instead, key);
        Some(format!(
            "perhaps it met {}.limits.{key} = {value}: {raise}",
            self.table()
        ))
    }

    /// Does work that blocks, which ends early when somebody stops it or the time is over: its
    /// argument then becomes true.
    ///
    /// # Errors
    /// The work's own, that its time was over, or that it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        cancel: &CancellationToken,
        work: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let mut working = tokio::task::spawn_blocking(move || work(&seen));
        let late = tokio::select! {
            done = &mut working => return done.map_err(|error| Failure::host(what, &error))?,
            () = cancel.cancelled() => false,
            () = tokio::time::sleep_until(self.until) => true,
        };
        stop.store(true, Ordering::Relaxed);
        let done = working.await.map_err(|error| Failure::host(what, &error))?;
        match done {
            Err(failure) if late && failure.cancelled => Err(self.too_late(what)),
            done => done,
        }
    }

    fn too_late(&self, what: &str) -> Failure {
        let [why, hint] = self.late();
        Failure::new(OVER, format!("{what} was stopped: {why}")).hint(hint)
    }

    fn raise(&self, instead: &str, key: &str) -> String {
        match (self.stage, key) {
            (CRON, "time") => format!("{instead}, or raise its `limit` in wharf.toml"),
            (CRON, "output") => instead.to_owned(),
            _ => format!(
                "{instead}, or ask the host's operator to raise {}.limits.{key}",
                self.table()
            ),
        }
    }

    /// The table of the host's file that has its limits.
    fn table(&self) -> &'static str {
        match self.stage {
            CRON => launch::LIMITS,
            stage => stage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            time: Duration::from_secs(90),
            silence: Some(Duration::from_secs(60)),
            output: 20_000_000,
            resources: Resources::default(),
        }
    }

    #[test]
    fn its_steps_share_its_time() {
        let limits = limits();
        let mut bound = Bound::of_build(&limits);
        bound.until -= Duration::from_secs(60);
        assert!(bound.left() <= Duration::from_secs(30));
        bound.until -= Duration::from_secs(60);
        assert_eq!(bound.left(), Duration::ZERO);
        let [why, hint] = bound.late();
        assert_eq!(why, "the build took longer than 1m 30s");
        assert!(hint.ends_with("to raise build.limits.time"), "{hint}");
        assert_eq!(bound.silent()[0], "it printed nothing for 1m");
        assert_eq!(bound.loud()[0], "it printed more than 20.0 MB");
    }

    #[test]
    fn what_the_kernel_refuses_is_known_by_what_commands_say() {
        let bound = Bound::of_build(&limits());
        let met = bound.met("sh: 1: Cannot fork").unwrap();
        assert_eq!(
            met,
            "perhaps it met build.limits.tasks = 4096: let it start fewer processes, or ask the \
             host's operator to raise build.limits.tasks"
        );
        let met = bound
            .met("OSError: [Errno 24] Too many open files: 'x'")
            .unwrap();
        assert!(met.contains("build.limits.open_files = 65536"), "{met}");
        assert_eq!(bound.met("error: no such file"), None);
    }

    #[test]
    fn who_takes_too_much_reads_how_much_and_how_much_may_be() {
        let bound = Bound::of_deploy(&limits());
        let excess = Excess {
            resource: Resource::Memory,
            limit: 2_000_000_000,
            used: 2_100_000_000,
        };
        let [why, hint] = bound.exceeded(&excess);
        assert_eq!(
            why,
            "stopped: it took 2.1 GB of memory, and deploy.limits.memory is 2.0 GB"
        );
        assert!(hint.ends_with("to raise deploy.limits.memory"), "{hint}");
        let excess = Excess {
            resource: Resource::Tasks,
            limit: 200,
            used: 200,
        };
        let [why, hint] = bound.exceeded(&excess);
        assert_eq!(
            why,
            "it wanted more than 200 processes and threads, and deploy.limits.tasks is 200"
        );
        assert!(
            hint.starts_with("let it start fewer processes, or"),
            "{hint}"
        );
    }

    #[tokio::test]
    async fn our_own_work_ends_when_the_time_is_over_or_somebody_stops_it() {
        let until_stopped = |stop: &AtomicBool| -> Result<(), Failure> {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            Err(Failure::cancelled())
        };
        let cancel = CancellationToken::new();
        let mut bound = Bound::of_build(&limits());
        let done = bound.blocking("it", &cancel, |_| Ok(1)).await;
        assert_eq!(done.unwrap(), 1);
        let stopped = bound.blocking("it", &cancel, until_stopped);
        let (stopped, ()) = tokio::join!(stopped, async { cancel.cancel() });
        assert!(stopped.unwrap_err().cancelled);

        bound.until = Instant::now();
        let cancel = CancellationToken::new();
        let late = bound.blocking("it", &cancel, until_stopped).await;
        let late = late.unwrap_err();
        assert!(!late.cancelled);
        assert_eq!(late.reason.code, "over-limit");
        assert_eq!(
            late.reason.message,
            "it was stopped: the build took longer than 1m 30s"
        );
    }
}
