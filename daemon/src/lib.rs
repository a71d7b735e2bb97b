//! The daemon: decides, executes, remembers.
//!
//! In reading order: [`listen`] accepts, [`identity`] says who calls, [`session`] talks, [`dispatch`] owns the live state and
//! takes one event at a time, [`plan`] decides from values, [`execute`] and [`run`] have effects,
//! [`store`] remembers, [`watch`] sees what changes on the disk, [`guard`] whose files are,
//! [`report`] is what people read, [`journal`] what operators do, [`metrics`] what monitoring does, [`traces`] what
//! tracing systems do, [`notify`] tells those who are elsewhere, [`certificates`] until when visitors trust us, [`backup`] takes all of it to
//! another host.

pub mod backup;
pub mod catalogue;
pub mod certificates;
pub mod connection;
pub mod disk;
pub mod dispatch;
pub mod doctor;
pub mod execute;
pub mod fail;
pub mod guard;
pub mod identity;
pub mod journal;
pub mod life;
pub mod listen;
pub mod metrics;
pub mod notify;
pub mod order;
mod outward;
pub mod plan;
pub mod report;
pub mod run;
pub mod session;
pub mod settings;
pub mod store;
#[cfg(test)]
mod testing;
pub mod traces;
pub mod watch;
