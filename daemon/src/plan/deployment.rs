//! The states of one activity, from the queue to its end: state and event → state.
//!
//! The executor applies each event before it records it, and a new daemon replays what is recorded
//! through the same function. So what the record can say and what can happen are one thing, and an
//! order of events that makes no sense is an error in both.

use wharf_wire::event::Stage;
use wharf_wire::outcome::{Kind, State};

use super::step::{Effect, NoStep, Step};

/// Where an activity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    kind: Kind,
    phase: Phase,
    /// The step that has begun and not ended.
    open: Option<Step>,
    /// The last step that began in this attempt.
    last: Option<Step>,
    touched: bool,
    /// Something began that may not run twice unasked.
    once: bool,
    stopped: bool,
    /// The late commands that have begun, counted from 1.
    late: u32,
    data: Data,
}

/// What becomes of the environment's data where it is put back when a deployment fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Whoever may works with it.
    Open,
    /// Only the deployment may, which has not begun to.
    Closed,
    /// It may have changed it.
    Changed,
    /// It is as it was before, and open.
    PutBack,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// In the queue.
    Waiting,
    /// Its steps are done, one after the other.
    Working,
    /// It is built, and waits before anything of its environment changes; then it begins again.
    Parked,
    /// One of them failed, or may not be done again: only the end is left.
    Broken,
    /// The route is written: nothing is undone any more.
    Committed,
    /// Nothing more happens.
    Ended,
}

/// What happens to an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It left the queue.
    Began,
    /// A step is about to have its effect.
    StepStarted(Step),
    /// The step that is open ended.
    StepEnded(Outcome),
    /// It is built, and has to wait before it goes live.
    Parked,
    /// Somebody wants it stopped; its step may end all the same.
    Stopping,
    /// The daemon died meanwhile, and the next one decided.
    Interrupted(Recovery),
    /// It ended.
    Ended(State),
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// The daemon died in its middle.
    Interrupted,
}

/// What a new daemon does with an activity that the last one did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// From the beginning: nothing that was done matters.
    Redo,
    /// It was live: only what comes after is left.
    Finish,
    /// Deploy commands began and may not run again unasked.
    Fail,
    /// Somebody had stopped it.
    Cancel,
}

/// An event that cannot happen in this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// It left the queue twice, or nobody decided after a death.
    #[error("it began while {0:?}")]
    Began(Phase),
    /// A step while none may begin.
    #[error("step {0} began while {1:?}")]
    Step(Step, Phase),
    /// A step of another kind of activity.
    #[error("a {kind} has no step {0}", kind = .1.word())]
    Kind(Step, Kind),
    /// A step before the last one ended.
    #[error("step {0} began before {1} ended")]
    Overlap(Step, Step),
    /// A step after one that comes later.
    #[error("step {0} began after {1}")]
    Order(Step, Step),
    /// It waits where it is half-way, or with nothing to wait for.
    #[error("it was parked while {0:?}")]
    Parked(Phase),
    /// Too late to stop it.
    #[error("it was stopped after its end")]
    Stopped,
    /// An end of no step.
    #[error("a step ended and none had begun")]
    NoneOpen,
    /// A decision where none is due, or one that contradicts what was done.
    #[error("decided to {0:?} while {1:?}")]
    Recovery(Recovery, Phase),
    /// An end that contradicts what was done.
    #[error("it ended as {state} while {1:?}", state = .0.word())]
    End(State, Phase),
    /// A name that no step has.
    #[error(transparent)]
    NoStep(#[from] NoStep),
    /// A word that no outcome has.
    #[error("no step ends as `{0}`")]
    NoOutcome(String),
}

impl Deployment {
    /// An activity that was just recorded.
    pub fn new(kind: Kind) -> Deployment {
        Deployment {
            kind,
            phase: Phase::Waiting,
            open: None,
            last: None,
            touched: false,
            once: false,
            stopped: false,
            late: 0,
            data: Data::Open,
        }
    }

    /// What became of the data.
    pub fn data(&self) -> Data {
        self.data
    }

    /// What started it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What may come next.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether commands have begun that may have changed data, in this attempt or an earlier one.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Whether commands have begun that may not run twice unless their application says so.
    pub fn has_run_once(&self) -> bool {
        self.once
    }

    /// Whether somebody wanted it stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// How many late commands have begun.
    pub fn late_commands(&self) -> u32 {
        self.late
    }

    /// Whether the release that it makes serves.
    pub fn is_committed(&self) -> bool {
        self.phase == Phase::Committed
    }

    /// The state after an event.
    ///
    /// # Errors
    /// When it cannot happen in this state, which is then as it was.
    pub fn apply(&self, event: &Event) -> Result<Deployment, Illegal> {
        match event {
            Event::Began => self.begin(),
            Event::StepStarted(step) => self.start(step),
            Event::StepEnded(outcome) => self.end_step(*outcome),
            Event::Parked => self.park(),
            Event::Stopping => self.stop(),
            Event::Interrupted(recovery) => self.recover(*recovery),
            Event::Ended(state) => self.end(*state),
        }
    }

    fn begin(&self) -> Result<Deployment, Illegal> {
        if !matches!(self.phase, Phase::Waiting | Phase::Parked) {
            return Err(Illegal::Began(self.phase));
        }
        Ok(Deployment {
            phase: Phase::Working,
            last: None,
            ..self.clone()
        })
    }

    fn start(&self, step: &Step) -> Result<Deployment, Illegal> {
        if *step == Step::PutBack {
            return self.put_back();
        }
        let may = match self.phase {
            Phase::Working => !step.is_late(),
            Phase::Committed => step.is_late(),
            Phase::Waiting | Phase::Parked | Phase::Broken | Phase::Ended => false,
        };
        if !may {
            return Err(Illegal::Step(step.clone(), self.phase));
        }
        if !step.belongs_to(self.kind) {
            return Err(Illegal::Kind(step.clone(), self.kind));
        }
        if let Some(open) = &self.open {
            return Err(Illegal::Overlap(step.clone(), open.clone()));
        }
        if let Some(last) = self.last.as_ref().filter(|last| !step.may_follow(last)) {
            return Err(Illegal::Order(step.clone(), last.clone()));
        }
        // One that had begun before a death is not begun again.
        if matches!(step, Step::After(number) if *number <= self.late) {
            return Err(Illegal::Order(step.clone(), Step::After(self.late)));
        }
        Ok(Deployment {
            open: Some(step.clone()),
            last: Some(step.clone()),
            touched: self.touched || step.touches(),
            once: self.once || (step.effect() == Effect::Once && !step.is_late()),
            late: match step {
                Step::After(number) => *number,
                _ => self.late,
            },
            data: match (step, self.data) {
                (Step::Close, _) => Data::Closed,
                (step, Data::Closed) if step.touches() => Data::Changed,
                (step, Data::PutBack) if step.touches() => Data::Open,
                (_, data) => data,
            },
            ..self.clone()
        })
    }

    /// It may begin whatever failed, and before anything is done again after a death.
    fn put_back(&self) -> Result<Deployment, Illegal> {
        let is_closed = matches!(self.data, Data::Closed | Data::Changed);
        let may = matches!(self.phase, Phase::Working | Phase::Broken);
        match &self.open {
            Some(open) => Err(Illegal::Overlap(Step::PutBack, open.clone())),
            None if !may || !is_closed => Err(Illegal::Step(Step::PutBack, self.phase)),
            None => Ok(Deployment {
                open: Some(Step::PutBack),
                ..self.clone()
            }),
        }
    }

    fn end_step(&self, outcome: Outcome) -> Result<Deployment, Illegal> {
        let Some(step) = &self.open else {
            return Err(Illegal::NoneOpen);
        };
        let phase = match (step, outcome) {
            (Step::Route, Outcome::Succeeded) => Phase::Committed,
            // Decided by whoever finds it.
            (_, Outcome::Succeeded | Outcome::Interrupted) => self.phase,
            (step, _) if step.is_late() => self.phase,
            _ => Phase::Broken,
        };
        let data = match (step, outcome, self.data) {
            (Step::PutBack, Outcome::Succeeded, Data::Changed) => Data::PutBack,
            (Step::PutBack | Step::Route, Outcome::Succeeded, _) => Data::Open,
            (_, _, data) => data,
        };
        Ok(Deployment {
            phase,
            open: None,
            stopped: self.stopped || outcome == Outcome::Cancelled,
            data,
            ..self.clone()
        })
    }

    fn park(&self) -> Result<Deployment, Illegal> {
        let is_built = self.open.is_none()
            && self
                .last
                .as_ref()
                .is_none_or(|last| last.stage() == Stage::Build)
            && Step::Release.belongs_to(self.kind);
        // Once deploy commands have begun, what they did must not wait for the rest.
        if self.phase != Phase::Working || !is_built || self.touched {
            return Err(Illegal::Parked(self.phase));
        }
        Ok(Deployment {
            phase: Phase::Parked,
            last: None,
            ..self.clone()
        })
    }

    fn stop(&self) -> Result<Deployment, Illegal> {
        if self.phase == Phase::Ended {
            return Err(Illegal::Stopped);
        }
        Ok(Deployment {
            stopped: true,
            ..self.clone()
        })
    }

    fn recover(&self, recovery: Recovery) -> Result<Deployment, Illegal> {
        let illegal = Err(Illegal::Recovery(recovery, self.phase));
        let phase = match (self.phase, recovery) {
            (Phase::Ended, _) => return illegal,
            (Phase::Committed, other) if other != Recovery::Finish => return illegal,
            // Nobody waits for it any more, and it makes nothing live.
            (_, other) if self.kind == Kind::Check && other != Recovery::Cancel => return illegal,
            (_, Recovery::Redo) => Phase::Waiting,
            (_, Recovery::Finish) => Phase::Committed,
            (_, Recovery::Fail | Recovery::Cancel) => Phase::Broken,
        };
        Ok(Deployment {
            phase,
            open: None,
            last: None,
            data: match recovery {
                // The switch opened it.
                Recovery::Finish => Data::Open,
                Recovery::Redo | Recovery::Fail | Recovery::Cancel => self.data,
            },
            ..self.clone()
        })
    }

    /// Whether this was the last step, and it ended well.
    fn has_done(&self, step: &Step) -> bool {
        self.phase == Phase::Working && self.open.is_none() && self.last.as_ref() == Some(step)
    }

    fn end(&self, state: State) -> Result<Deployment, Illegal> {
        let may = match state {
            State::Waiting | State::Running => false,
            State::Superseded => matches!(self.phase, Phase::Waiting | Phase::Parked),
            State::Succeeded => match self.kind {
                Kind::Delete | Kind::Deactivate => self.has_done(&Step::PutAside),
                Kind::Pause => self.has_done(&Step::Stop),
                Kind::MaintenanceOn | Kind::MaintenanceOff => self.has_done(&Step::Maintenance),
                // Its slug may have been there already.
                Kind::Check => self.phase == Phase::Working && self.open.is_none(),
                Kind::Resume => self.phase == Phase::Committed || self.has_done(&Step::Keep),
                kind if kind.moves_branch() => {
                    self.phase == Phase::Committed || self.has_done(&Step::Keep)
                }
                Kind::Snapshot => self.has_done(&Step::Verify),
                Kind::SnapshotTest => self.has_done(&Step::Fetch),
                Kind::SnapshotDelete => self.has_done(&Step::Forget),
                kind if kind.deploys_anew() => self.phase == Phase::Committed,
                // One that was paused stays so.
                kind if kind.brings_data() => {
                    self.phase == Phase::Committed || self.has_done(&Step::Swap)
                }
                // Nothing was to be done.
                kind if kind.is_word() || kind.runs_beside() => false,
                Kind::Seed => self.phase == Phase::Working && self.open.is_none(),
                _ => self.phase == Phase::Committed,
            },
            // A step whose end could not be recorded is one that failed.
            State::Failed | State::Cancelled => {
                matches!(
                    self.phase,
                    Phase::Waiting | Phase::Working | Phase::Parked | Phase::Broken
                )
            }
        };
        if !may {
            return Err(Illegal::End(state, self.phase));
        }
        Ok(Deployment {
            phase: Phase::Ended,
            open: None,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests;
