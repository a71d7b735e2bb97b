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
mod maintained;
mod mending;
mod moves;
mod owner;
mod patches;
mod php;
mod policy;
mod python;
mod queue;
mod renames;
mod restarts;
mod reuse;
mod routes;
mod schemas;
mod shop;
mod sight;
mod staged;
mod states;
mod steps;
mod turns;
mod variables;
mod waiting;
mod warm;
