//! The parts of `wharf` that other programs and tests use.

pub mod hook;
