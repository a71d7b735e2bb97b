//! What a dry run asks git's hook to look for in the pushed tree, which nobody else can read yet: the
//! patches, and what decides where static content is made.

use wharf_config::application::{Application, PATCHES, PathPattern};
use wharf_config::name::RelPath;

use crate::report::MadeIn;

/// What is looked for.
pub(super) struct Looked {
    patterns: Vec<PathPattern>,
    committed: Option<RelPath>,
}

impl Looked {
    /// What an application of the tree makes it look for.
    pub(super) fn of(application: &Application) -> Looked {
        let conventional = || {
            let patterns = PATCHES.iter().map(|text| PathPattern::parse(text));
            patterns.map(|pattern| pattern.expect("they are patterns"))
        };
        let patterns = match &application.build.patches.files {
            Some(patterns) => patterns.clone(),
            None => conventional().collect(),
        };
        let assets = application.assets.as_ref();
        Looked {
            patterns,
            committed: assets.and_then(|assets| assets.committed.clone()),
        }
    }

    /// The files and directories that hold all of it. A pattern that begins with none is left out:
    /// it would be the whole tree.
    pub(super) fn paths(&self) -> Vec<String> {
        let patterns = self.patterns.iter().map(begin);
        let patterns = patterns.filter(|begin| !begin.is_empty());
        let mut paths: Vec<String> = patterns.collect();
        paths.extend(self.committed.iter().map(ToString::to_string));
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// The patches among the files of the tree, in the order in which they are applied; none where
    /// that is not known. Some of them may be left to other tools.
    pub(super) fn patches(&self, files: Option<&[String]>) -> Option<Vec<String>> {
        if self
            .patterns
            .iter()
            .any(|pattern| begin(pattern).is_empty())
        {
            return None;
        }
        let matchers: Vec<_> = self.patterns.iter().map(PathPattern::matcher).collect();
        let is_patch = |file: &&String| matchers.iter().any(|matcher| matcher.is_match(file));
        let mut patches: Vec<String> = files?.iter().filter(is_patch).cloned().collect();
        patches.sort_unstable();
        Some(patches)
    }

    /// Where static content is made.
    pub(super) fn assets(&self, files: Option<&[String]>) -> Option<MadeIn> {
        let Some(committed) = &self.committed else {
            return Some(MadeIn::Build);
        };
        let is_there = files?.iter().any(|file| file == committed.as_str());
        Some(match is_there {
            true => MadeIn::Build,
            false => MadeIn::Deploy,
        })
    }
}

/// The directories that all files of a pattern are below, or the file itself.
fn begin(pattern: &PathPattern) -> String {
    let is_plain = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
    let parts = pattern.as_str().split('/').take_while(is_plain);
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use wharf_config::{application, files::Files};

    use super::*;

    fn looked(more: &str) -> Looked {
        let mut files = Files::default();
        files.insert("wharf.toml", format!("public = \"site\"\n{more}"));
        Looked::of(&application::read(&files).unwrap())
    }

    #[test]
    fn patches_are_told_by_their_patterns() {
        let plain = looked("");
        assert_eq!(plain.paths(), ["m2-hotfixes", "patches"]);
        let files = ["patches/b.patch", "patches/README", "m2-hotfixes/a.patch"];
        let files = files.map(str::to_owned);
        let found = plain.patches(Some(&files)).unwrap();
        assert_eq!(found, ["m2-hotfixes/a.patch", "patches/b.patch"]);
        assert_eq!(plain.patches(None), None);
        let none = looked("[build]\npatches = false\n");
        assert_eq!(
            (none.paths().len(), none.patches(Some(&[]))),
            (0, Some(vec![]))
        );
        // It could be anywhere.
        let any = looked("[build]\npatches = \"*/x.patch\"\n");
        assert_eq!((any.paths().len(), any.patches(Some(&[]))), (0, None));
    }

    #[test]
    fn static_content_is_made_where_what_decides_it_says() {
        let assets = "[assets]\nrun = \"make\"\noutputs = [\"out\"]\n";
        let always = looked(assets);
        assert_eq!(always.assets(None), Some(MadeIn::Build));
        let ruled = looked(&format!(
            "{assets}when = {{ committed = \"config.php\" }}\n"
        ));
        assert!(ruled.paths().contains(&"config.php".to_owned()));
        assert_eq!(ruled.assets(None), None);
        assert_eq!(ruled.assets(Some(&[])), Some(MadeIn::Deploy));
        let there = ["config.php".to_owned()];
        assert_eq!(ruled.assets(Some(&there)), Some(MadeIn::Build));
    }
}
