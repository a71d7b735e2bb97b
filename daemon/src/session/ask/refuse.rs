//! Refusals for several reasons at once: lines for people, the same as records for programs.

use wharf_wire::Refusal;
use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::Session;
use super::super::peer::Broken;
use crate::plan::policy::Reason;
use crate::plan::rights::Act;
use crate::report;
use crate::store::environment::EnvironmentRecord;

/// What stands against something, as it is found: whoever is refused reads all of it at once.
#[derive(Debug, Default)]
pub(super) struct Against(Vec<Refusal>);

impl Against {
    /// Keeps why something may not be; what found nothing against it goes on.
    ///
    /// # Errors
    /// What is no reason but an end: the caller is gone, the host has trouble.
    pub(super) fn take<T>(&mut self, found: Result<T, Broken>) -> Result<Option<T>, Broken> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Broken::Refused(refusal)) if is_reason(&refusal) => {
                self.push(refusal);
                Ok(None)
            }
            Err(Broken::Several(refusals)) => {
                self.extend(refusals);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    pub(super) fn push(&mut self, refusal: impl Into<Refusal>) {
        let refusal = refusal.into();
        if !self.0.contains(&refusal) {
            self.0.push(refusal);
        }
    }

    pub(super) fn extend(&mut self, refusals: impl IntoIterator<Item = impl Into<Refusal>>) {
        for refusal in refusals {
            self.push(refusal);
        }
    }

    /// Whether it may be.
    ///
    /// # Errors
    /// Every reason why not.
    pub(super) fn verdict(self) -> Result<(), Broken> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(self.broken()),
        }
    }

    /// The same with what is found last.
    ///
    /// # Errors
    /// Every reason why not, also what is found last.
    pub(super) fn and<T>(mut self, found: Result<T, Broken>) -> Result<T, Broken> {
        match found {
            Ok(found) => self.verdict().map(|()| found),
            Err(broken) => {
                self.take::<T>(Err(broken))?;
                Err(self.broken())
            }
        }
    }

    fn broken(mut self) -> Broken {
        match self.0.len() {
            1 => Broken::Refused(self.0.remove(0)),
            _ => Broken::Several(self.0),
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Refusal {
        Refusal {
            code: reason.code.into(),
            message: reason.message,
            hint: reason.hint,
            exit: Exit::Refused,
        }
    }
}

/// Whether it is about what was asked for, and not about how or by whom it is answered.
fn is_reason(refusal: &Refusal) -> bool {
    matches!(refusal.exit, Exit::Refused | Exit::NotFound)
}

impl Session {
    /// What their rights say against an act. Whoever may not even look learns nothing further.
    ///
    /// # Errors
    /// That they may not look.
    pub(super) fn rights(
        &self,
        acts: &[Act],
        record: &EnvironmentRecord,
    ) -> Result<Against, Broken> {
        let mut against = Against::default();
        for act in acts {
            against.take(self.may_in(*act, record))?;
        }
        match self.eyes().see(record) {
            true => Ok(against),
            false => against.verdict().map(|()| Against::default()),
        }
    }

    /// Says every reason.
    pub(in super::super) async fn refuse(&mut self, against: Vec<Refusal>) -> Result<(), Broken> {
        for refusal in &against {
            let lines = report::reason(&refusal.message, refusal.hint.as_deref());
            self.peer.lines(lines).await?;
        }
        for refusal in against {
            self.item(Item::Reason(view::Reason {
                code: refusal.code,
                message: refusal.message,
                hint: refusal.hint,
            }))
            .await?;
        }
        self.end(Exit::Refused).await
    }

    /// What people were told in lines, with its codes.
    pub(super) async fn name_reasons(&mut self, reasons: &[Reason]) -> Result<(), Broken> {
        for reason in reasons {
            self.item(Item::Reason(view::Reason {
                code: reason.code.to_owned(),
                message: reason.message.clone(),
                hint: reason.hint.clone(),
            }))
            .await?;
        }
        Ok(())
    }
}
