//! What git's merge machinery says, read; and how a conflict reads.

/// Files that are named, at most.
const MOST_FILES: usize = 30;
/// Characters of one file's name that are shown, at most.
const MOST_NAME: usize = 200;

/// What `git merge-tree --write-tree -z --name-only --no-messages` printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The tree of both, in hex.
    Clean(String),
    /// The files that both changed, as bytes: hostile.
    Conflicts(Vec<Vec<u8>>),
    /// Nothing that can be understood.
    Nonsense,
}

/// Reads it: an object id, and the names of files where it does not merge, each ended by a zero
/// byte. A name that was cut off at the end is left out.
pub fn read(output: &[u8], exit: Option<i32>) -> Said {
    let mut parts = output.split(|byte| *byte == 0);
    let tree = parts.next().and_then(|id| std::str::from_utf8(id).ok());
    let is_hex = |id: &&str| id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let Some(tree) = tree.map(str::trim_end).filter(is_hex) else {
        return Said::Nonsense;
    };
    match exit {
        Some(0) => Said::Clean(tree.to_owned()),
        Some(1) => {
            let mut files: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
            // After the last zero byte there is nothing, or what was cut off.
            files.pop();
            Said::Conflicts(files)
        }
        _ => Said::Nonsense,
    }
}

/// A file's name for people: printable, of a bounded length.
pub fn shown(name: &[u8]) -> String {
    let text = name.escape_ascii().to_string();
    match text.char_indices().nth(MOST_NAME) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// The lines that name the files of a conflict.
pub fn conflicts(files: &[Vec<u8>]) -> Vec<String> {
    let mut lines: Vec<String> = files
        .iter()
        .take(MOST_FILES)
        .map(|file| format!("  conflict   {}", shown(file)))
        .collect();
    if files.len() > MOST_FILES {
        lines.push(format!("  ... and {} more", files.len() - MOST_FILES));
    }
    lines
}

/// The commands that solve a conflict in a work tree, a line each.
pub fn solving(child: &str, parent: &str) -> Vec<String> {
    vec![
        "  solve it in a work tree, then push the branch:".to_owned(),
        format!("    git switch {child}"),
        format!("    git pull --no-rebase $(git remote | grep -x wharf || echo origin) {parent}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TREE: &str = "8445f88470a7f96344b99ef2f7328240c8150dd0";

    #[test]
    fn what_git_prints_is_read() {
        let said = |text: &str, exit| read(format!("{TREE}\0{text}").as_bytes(), Some(exit));
        assert_eq!(said("", 0), Said::Clean(TREE.into()));
        let files = vec![b"f".to_vec(), b"a b\n".to_vec()];
        assert_eq!(said("f\0a b\n\0", 1), Said::Conflicts(files.clone()));
        assert_eq!(said("f\0a b\n\0cut o", 1), Said::Conflicts(files));
        assert_eq!(said("", 128), Said::Nonsense);
        assert_eq!(read(b"", Some(1)), Said::Nonsense);
    }

    #[test]
    fn a_conflict_names_its_files_and_not_too_many() {
        let files: Vec<Vec<u8>> = (0..40).map(|n| format!("f{n}").into_bytes()).collect();
        let lines = conflicts(&files);
        assert_eq!(lines[0], "  conflict   f0");
        assert_eq!(lines.last().unwrap(), "  ... and 10 more");
        assert_eq!(shown(b"\x1b[31mred\nerror: x"), "\\x1b[31mred\\nerror: x");
        assert!(shown(&[b'x'; 5000]).len() < 210);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), exit in 0..3) {
            if let Said::Conflicts(files) = read(&bytes, Some(exit)) {
                for line in conflicts(&files) {
                    prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)));
                }
            }
        }
    }
}
