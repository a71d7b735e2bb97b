//! Applications that live through whatever happens. Budget: 3 minutes on two cores.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod app;
mod cancel;
mod checked;
mod commands;
mod doors;
mod frozen;
mod hostile;
mod inputs;
mod later;
mod later_moves;
mod limits;
mod load;
mod mending;
mod moves;
mod owner;
mod policy;
mod python;
mod queue;
mod renames;
mod restarts;
mod schemas;
mod sight;
mod states;
mod turns;
mod variables;
mod waiting;
mod warm;
