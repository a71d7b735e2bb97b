//! The crash matrix in a machine that is booted, where jobs are units and the helper starts them: daemon
//! and helper are killed at the same points, and the helper before each call that changes anything.
//!
//! Needs root: `make test-booted`. Budget: 6 minutes; `WHARF_CRASH_ALL=1` tries every point.

mod helper;

use crate::matrix::{DELETE, PUSH, ROLLBACK, matrix};
use crate::operation::Operation;
use crate::within::within;

#[test]
fn a_push_survives_every_death() {
    if within("units::a_push_survives_every_death") {
        matrix(Operation::Push, &PUSH);
    }
}

#[test]
fn a_rollback_survives_every_death() {
    if within("units::a_rollback_survives_every_death") {
        matrix(Operation::Rollback, &ROLLBACK);
    }
}

#[test]
fn the_deletion_of_a_branch_survives_every_death() {
    if within("units::the_deletion_of_a_branch_survives_every_death") {
        matrix(Operation::Delete, &DELETE);
    }
}
