//! Where one user runs everything.

use wharf_tests::World;

use crate::pushes;

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn composer_installs_packages_and_loads_their_classes() {
    pushes::composer(&World::unprivileged(HOST));
}

#[test]
fn cargo_builds_with_a_crate_beside_and_one_of_a_registry() {
    pushes::cargo(&World::unprivileged(HOST));
}

#[test]
fn mariadb_is_initialised_started_and_asked() {
    pushes::mariadb(&World::unprivileged(HOST));
}

#[test]
fn mariadb_as_a_worker_keeps_its_data_on_a_mount() {
    pushes::mariadb_as_a_worker(&World::unprivileged(HOST));
}

#[test]
fn a_headless_browser_runs_a_page() {
    pushes::browser(&World::unprivileged(HOST));
}

#[test]
fn pip_installs_into_a_virtual_environment() {
    pushes::pip(&World::unprivileged(HOST));
}
