//! Where each job is a unit of systemd's, with a user of its environment's own.

use wharf_tests::World;

use crate::within::within;
use crate::{node, pushes};

#[test]
fn composer_installs_packages_and_loads_their_classes() {
    if within("units::composer_installs_packages_and_loads_their_classes") {
        pushes::composer(&World::new());
    }
}

#[test]
fn cargo_builds_with_a_crate_beside_and_one_of_a_registry() {
    if within("units::cargo_builds_with_a_crate_beside_and_one_of_a_registry") {
        pushes::cargo(&World::new());
    }
}

#[test]
fn mariadb_is_initialised_started_and_asked() {
    if within("units::mariadb_is_initialised_started_and_asked") {
        pushes::mariadb(&World::new());
    }
}

#[test]
fn mariadb_as_a_worker_keeps_its_data_on_a_mount() {
    if within("units::mariadb_as_a_worker_keeps_its_data_on_a_mount") {
        pushes::mariadb_as_a_worker(&World::new());
    }
}

#[test]
fn a_headless_browser_runs_a_page() {
    if within("units::a_headless_browser_runs_a_page") {
        pushes::browser(&World::new());
    }
}

#[test]
fn pip_installs_into_a_virtual_environment() {
    if within("units::pip_installs_into_a_virtual_environment") {
        pushes::pip(&World::new());
    }
}

#[test]
fn node_with_npm_and_a_cluster_runs_unchanged() {
    if within("units::node_with_npm_and_a_cluster_runs_unchanged") {
        node::npm_and_a_cluster(&World::new());
    }
}
