//! What a stage of an activity may take: its time is for all of its steps together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wharf_config::host::Limits;

use super::failure::Failure;
use crate::report;

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

    /// How many processes and threads a step may have at a time.
    pub fn tasks(&self) -> u64 {
        self.limits.tasks.into()
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
        Failure::new(self.code, format!("{what} was stopped: {why}")).hint(hint)
    }

    fn raise(&self, instead: &str, key: &str) -> String {
        format!(
            "{instead}, or ask the host's operator to raise {}.limits.{key}",
            self.stage
        )
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
            tasks: 4096,
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
        assert_eq!(late.reason.code, "build-failed");
        assert_eq!(
            late.reason.message,
            "it was stopped: the build took longer than 1m 30s"
        );
    }
}
