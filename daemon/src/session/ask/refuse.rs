//! Refusals for several reasons at once: lines for people, the same as records for programs.

use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::Session;
use super::super::peer::Broken;
use crate::plan::policy::Reason;
use crate::report;

impl Session {
    /// Says why it is not done, and ends.
    pub(super) async fn refuse(&mut self, reasons: Vec<Reason>) -> Result<(), Broken> {
        for reason in &reasons {
            let lines = report::reason(&reason.message, reason.hint.as_deref());
            self.peer.lines(lines).await?;
        }
        self.name_reasons(&reasons).await?;
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
