use std::os::unix::fs::symlink;

use super::*;

#[test]
fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("index.html"), "x").unwrap();
    symlink(outside.path(), dir.path().join("public")).unwrap();
    symlink(
        outside.path().join("index.html"),
        dir.path().join("wharf.toml"),
    )
    .unwrap();
    fs::create_dir(dir.path().join("Procfile")).unwrap();
    fs::write(
        dir.path().join("index.html"),
        vec![b'x'; MAX_FILE as usize + 1],
    )
    .unwrap();
    let files = Files::from_dir(dir.path()).unwrap();
    assert!(files.get("public/index.html").is_none());
    assert_eq!(files.get("wharf.toml").unwrap().kind, EntryKind::Symlink);
    assert_eq!(files.get("Procfile").unwrap().kind, EntryKind::Directory);
    assert!(files.get("index.html").unwrap().content.is_none());
    assert!(Files::from_dir(&dir.path().join("none")).is_err());
}
