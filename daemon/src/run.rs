//! How code of a repository is started. Nothing else starts it.

pub use wharf_sandbox::{host_root, sandbox};

pub mod bubblewrap;
pub mod calls;
mod forbidden;
pub mod isolation;

pub mod job;

pub mod meter;
pub mod runner;
pub mod running;
pub mod streams;

pub mod keeper;
pub mod keepers;

pub mod inside;
pub mod listener;
pub mod within;

pub mod host;

pub mod holder;
mod refusals;
mod unit;

pub mod orphans;

mod descriptors;
mod forwarder;
mod processors;
mod signals;

pub mod mask;
pub mod output;
pub mod raw_log;
