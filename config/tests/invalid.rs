//! Invalid configurations lie in `invalid/` beside the message that each gives.
//!
//! `WHARF_BLESS=1 cargo test -p wharf-config` writes the messages anew, to be read in the diff.

use std::{fs, path::Path};

use wharf_config::{application, files::Files};

#[test]
fn each_gives_its_message() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
    let bless = std::env::var_os("WHARF_BLESS").is_some();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        seen += 1;
        let mut files = Files::default();
        files.insert("wharf.toml", fs::read(&path).unwrap());
        let problems = application::read(&files).expect_err(&path.display().to_string());
        let text = problems.render(72);
        for line in text.lines() {
            assert!(line.len() <= 72, "{}: too wide: {line}", path.display());
            assert!(
                line.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{}",
                path.display()
            );
        }
        let count = |lead| text.lines().filter(|line| line.starts_with(lead)).count();
        assert_eq!(
            count("hint: "),
            count("error: "),
            "a problem without a next step:\n{text}"
        );
        let expected = path.with_extension("txt");
        if bless {
            fs::write(&expected, &text).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", path.display()));
        }
    }
    assert!(seen >= 20, "only {seen} examples");
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}
