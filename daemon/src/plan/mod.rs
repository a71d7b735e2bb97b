//! PURE: what to do, decided from values alone. No clock, file, process or runtime in here.

pub mod access;
pub mod admission;
pub mod by_hand;
pub mod deployment;
pub mod hosts;
pub mod kept_away;
pub mod limits;
pub mod merge;
pub mod mounts;
pub mod notify;
pub mod options;
pub mod parking;
pub mod pausing;
pub mod places;
pub mod policy;
pub mod queue;
pub mod recovery;
pub mod rename;
pub mod retention;
pub mod rights;
pub mod room;
pub mod seed;
pub mod step;
pub mod tips;
pub mod tree;
pub mod variables;
