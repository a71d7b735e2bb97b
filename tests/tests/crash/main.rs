//! Nothing is lost, whatever is killed, and when. Budget: 12 minutes on two cores.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod judged;
mod loaded;
mod matrix;
mod operation;
mod parking;
mod pushers;
mod random;
mod table;
mod victim;
mod visitor;
