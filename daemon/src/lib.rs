//! The daemon: decides, executes, remembers.
//!
//! In reading order: [`listen`] accepts, [`session`] talks, [`dispatch`] owns the live state and
//! takes one event at a time, [`plan`] decides from values, [`execute`] and [`run`] have effects,
//! [`store`] remembers, [`report`] is what people read.

pub mod life;
pub mod listen;
pub mod session;
pub mod dispatch;
pub mod plan;
pub mod execute;
pub mod run;
pub mod store;
pub mod report;
pub mod settings;
pub mod disk;
