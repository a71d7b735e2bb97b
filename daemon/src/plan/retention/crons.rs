//! Which runs of a cron are remembered: it may run 8,640 times a day, and most runs tell nothing new.

/// So many of the newest, however they ended.
const NEWEST: usize = 20;
/// So many of the newest that failed: a failure that others came after is what somebody looks for.
const FAILED: usize = 20;

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The activity that it was.
    pub activity: String,
    /// Whether it failed.
    pub failed: bool,
}

/// The activities that go with their logs; `runs` are those of one cron, newest first.
pub fn runs_to_forget(runs: Vec<Run>) -> Vec<String> {
    let mut failed = 0;
    let mut gone = Vec::new();
    for (at, run) in runs.into_iter().enumerate() {
        failed += usize::from(run.failed);
        let stays = at < NEWEST || (run.failed && failed <= FAILED);
        if !stays {
            gone.push(run.activity);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_so_do_failures_for_longer() {
        // Every tenth failed; 399 is the newest.
        let runs = |count: usize, fails: fn(usize) -> bool| -> Vec<Run> {
            let run = |at: usize| Run {
                activity: at.to_string(),
                failed: fails(at),
            };
            (0..count).rev().map(run).collect()
        };
        let gone = runs_to_forget(runs(400, |at| at % 10 == 0));
        // 20 newest with 2 failures among them, and 18 failures before those.
        assert_eq!(gone.len(), 400 - 20 - 18);
        assert!(gone.contains(&"379".into()) && !gone.contains(&"380".into()));
        assert!(!gone.contains(&"200".into()) && gone.contains(&"190".into()));
        assert_eq!(runs_to_forget(runs(20, |_| false)), Vec::<String>::new());
        assert_eq!(runs_to_forget(runs(100, |_| true)).len(), 80);
    }
}
