use std::fs;

use super::*;

#[test]
fn drop_ins_win_in_name_order() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    fs::write(
        place.host_file(),
        "[build]\nparallel = 3\n[keep]\nmin_free = \"1G\"",
    )
    .unwrap();
    fs::write(
        place.drop_ins_dir().join("20.toml"),
        "[build]\nparallel = 5",
    )
    .unwrap();
    fs::write(
        place.drop_ins_dir().join("10.toml"),
        "[build]\nparallel = 4\npass = [\"A\"]",
    )
    .unwrap();
    let host = Host::load(&place).unwrap();
    assert_eq!(
        (host.parallel, host.keep_min_free, host.pass.len()),
        (5, 1_000_000_000, 1)
    );
    let from = |key| {
        host.settings
            .iter()
            .find(|s| s.key == key)
            .unwrap()
            .from
            .clone()
    };
    assert_eq!(
        from("build.parallel"),
        Some(place.drop_ins_dir().join("20.toml"))
    );
    assert_eq!(from("router.listen"), None);
}

#[test]
fn every_problem_of_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::below(dir.path());
    fs::create_dir_all(place.drop_ins_dir()).unwrap();
    let text = "isolation = \"chroot\"\n[push]\non_failure = \"reject\"\n[router]\nlisten = \"x\"\nkind = \"nginx\"";
    fs::write(place.host_file(), text).unwrap();
    fs::write(
        place.drop_ins_dir().join("a.toml"),
        "[build.limits]\nmemory = \"4G\"\ntime = \"x\"",
    )
    .unwrap();
    let problems = Host::load(&place).unwrap_err();
    assert_eq!(problems.len(), 6, "{}", problems.render(72));
    assert_eq!(
        Host::load(&Place::below("/nonexistent")).unwrap(),
        Host::defaults(&Place::below("/nonexistent"))
    );
}
