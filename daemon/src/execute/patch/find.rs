//! Which patches there are in a commit's tree.

use std::collections::BTreeMap;
use std::path::Path;

use gix::bstr::ByteSlice as _;
use gix::objs::tree::EntryKind;
use globset::GlobMatcher;
use wharf_config::application::{PATCHES, Patches, PathPattern};

use super::target::{parts, shown, target};
use crate::execute::failure::{Failure, chain};
use crate::execute::repository::{self, RepositoryError, reading};
use crate::report;

/// The most patches.
const MOST: usize = 500;
/// The most bytes of one.
const LARGEST: u64 = 4 << 20;
/// The most bytes of all.
const ALL: u64 = 32 << 20;
/// The most entries of directories that are looked at.
const LOOKED_AT: usize = 200_000;
/// The most directories in each other.
const DEEPEST: usize = 64;
/// Files in which tools that apply patches by themselves are told of them.
const OTHERS: [&str; 5] = [
    "package.json",
    "pnpm-workspace.yaml",
    "composer.json",
    "composer.patches.json",
    "patches.json",
];
/// Where such tools put what they patch.
const DEPENDENCIES: [&str; 2] = ["node_modules/", "vendor/"];

/// A patch of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Where it is.
    pub path: String,
    /// Its object id, in hex.
    pub id: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What is applied, in byte order of the paths.
    pub patches: Vec<Patch>,
    /// What is left to other tools, and why, a plain line each.
    pub left: Vec<String>,
    /// Patterns of `build.patches` that no file is like.
    pub unmatched: Vec<String>,
}

/// Why patches are not taken.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The repository or an object cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// One is no regular file.
    #[error("the patch {0} is no regular file")]
    NoFile(String),
    /// One is too large.
    #[error("the patch {0} has more than {most}", most = report::size(LARGEST))]
    Large(String),
    /// All together are too large.
    #[error("there are more than {most} patches, or {size} of them", most = MOST, size = report::size(ALL))]
    Many,
    /// The tree has too many directories to look through.
    #[error("there is too much to look through for patches in {0}")]
    Deep(String),
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Failure {
        match error {
            FindError::Repository(error) => Failure::host("cannot read the repository", &error),
            other => Failure::new("patch-refused", chain(&other))
                .hint("say which files are patches in build.patches, or patches = false"),
        }
    }
}

/// Finds what `build.patches` asks for in a tree, by its object id.
///
/// # Errors
/// [`FindError`].
pub fn find(repository: &Path, tree: &str, wanted: &Patches) -> Result<Found, FindError> {
    let repository = repository::open(repository)?;
    let id = repository::object_id(tree)?;
    let tree = repository.find_tree(id).map_err(reading("tree", id))?;
    let patterns = match &wanted.files {
        Some(patterns) => patterns.clone(),
        None => PATCHES
            .iter()
            .map(|text| PathPattern::parse(text).expect("they are patterns"))
            .collect(),
    };
    let mut search = Search {
        repository: &repository,
        looked_at: 0,
        found: BTreeMap::new(),
    };
    let mut found = Found::default();
    for pattern in &patterns {
        let matches = search.pattern(&tree, pattern)?;
        if matches == 0 && wanted.files.is_some() {
            found.unmatched.push(pattern.as_str().to_owned());
        }
    }
    let entries = search.found;
    let mut bytes = 0;
    for (path, id) in &entries {
        let header = repository.find_header(*id).map_err(reading("blob", id))?;
        bytes += header.size();
        if header.size() > LARGEST {
            return Err(FindError::Large(shown(&path.to_str_lossy())));
        }
    }
    if entries.len() > MOST || bytes > ALL {
        return Err(FindError::Many);
    }
    found.patches = entries
        .into_iter()
        .map(|(path, id)| Patch {
            path: path.to_str_lossy().into_owned(),
            id: id.to_string(),
        })
        .collect();
    if wanted.files.is_none() && wanted.after.is_none() {
        leave(&repository, &tree, &mut found)?;
    }
    Ok(found)
}

struct Search<'r> {
    repository: &'r gix::Repository,
    looked_at: usize,
    found: BTreeMap<gix::bstr::BString, gix::ObjectId>,
}

impl<'r> Search<'r> {
    /// Finds the files that are like a pattern, and says how many.
    fn pattern(&mut self, tree: &gix::Tree<'r>, pattern: &PathPattern) -> Result<usize, FindError> {
        let text = pattern.as_str();
        let is_plain = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
        let parts: Vec<&str> = text.split('/').collect();
        let plain = parts[..parts.len() - 1]
            .iter()
            .take_while(|part| is_plain(part));
        let plain: Vec<&str> = plain.copied().collect();
        let depth = match text.contains("**") || text.contains('{') {
            true => DEEPEST,
            false => parts.len() - plain.len(),
        };
        let top = match plain.is_empty() {
            true => tree.clone(),
            false => {
                let entry = tree
                    .lookup_entry(plain.iter().copied())
                    .map_err(|error| reading::<gix::Error>("path", text)(error))?;
                match entry.filter(|entry| entry.mode().is_tree()) {
                    None => return Ok(0),
                    Some(entry) => {
                        let id = entry.object_id();
                        self.repository.find_tree(id).map_err(reading("tree", id))?
                    }
                }
            }
        };
        let mut prefix = plain.join("/").into_bytes();
        self.directory(&top, &mut prefix, depth, &pattern.matcher())
    }

    fn directory(
        &mut self,
        tree: &gix::Tree<'_>,
        path: &mut Vec<u8>,
        depth: usize,
        matcher: &GlobMatcher,
    ) -> Result<usize, FindError> {
        let mut matches = 0;
        for entry in tree.iter() {
            let entry = entry.map_err(reading("tree", tree.id))?;
            self.looked_at += 1;
            if self.looked_at > LOOKED_AT {
                return Err(FindError::Deep(shown(&path.to_str_lossy())));
            }
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(entry.filename());
            let is_match = || matcher.is_match(path.to_path_lossy());
            match entry.mode().kind() {
                EntryKind::Tree if depth > 1 => {
                    let id = entry.object_id();
                    let tree = self.repository.find_tree(id).map_err(reading("tree", id))?;
                    matches += self.directory(&tree, path, depth - 1, matcher)?;
                }
                EntryKind::Tree | EntryKind::Commit => {}
                EntryKind::Link if is_match() => {
                    return Err(FindError::NoFile(shown(&path.to_str_lossy())));
                }
                EntryKind::Link => {}
                EntryKind::Blob | EntryKind::BlobExecutable if is_match() => {
                    matches += 1;
                    self.found.insert(path.as_slice().into(), entry.object_id());
                    if self.found.len() > MOST {
                        return Err(FindError::Many);
                    }
                }
                EntryKind::Blob | EntryKind::BlobExecutable => {}
            }
            path.truncate(length);
        }
        Ok(matches)
    }
}

/// Takes out what other tools apply by themselves: patches that one of their files names, and those
/// that are all for dependencies, which are not in the tree.
fn leave(
    repository: &gix::Repository,
    tree: &gix::Tree<'_>,
    found: &mut Found,
) -> Result<(), FindError> {
    if found.patches.is_empty() {
        return Ok(());
    }
    let mut others = Vec::new();
    for name in OTHERS {
        let entry = repository::read_file(repository, tree, name, LARGEST)?;
        if let Some(content) = entry.content {
            others.push((name, content));
        }
    }
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut kept = Vec::new();
    for patch in std::mem::take(&mut found.patches) {
        let by = others
            .iter()
            .find(|(_, content)| content.contains_str(&patch.path));
        let why = match by {
            Some((name, _)) => Some(format!("{name} names")),
            None if is_for_dependencies(repository, tree, &patch)? => {
                Some("of dependencies, for the tool that installs them".to_owned())
            }
            None => None,
        };
        match why {
            Some(why) => left.entry(why).or_default().push(patch.path),
            None => kept.push(patch),
        }
    }
    found.patches = kept;
    found.left = left
        .into_iter()
        .map(|(why, paths)| {
            let what = match &paths[..] {
                [path] => shown(path),
                paths => report::count(paths.len() as u64, "file"),
            };
            match why.strip_suffix(" names") {
                Some(name) => format!("{what} left to the tool that {name} tells of it"),
                None => format!("{what} left: {why}"),
            }
        })
        .collect();
    Ok(())
}

fn is_for_dependencies(
    repository: &gix::Repository,
    tree: &gix::Tree<'_>,
    patch: &Patch,
) -> Result<bool, FindError> {
    let id = repository::object_id(&patch.id)?;
    let blob = repository.find_blob(id).map_err(reading("blob", id))?;
    let text = String::from_utf8_lossy(&blob.data);
    let parts = parts(&text);
    for part in &parts {
        let path = target(part);
        let is_dependency = DEPENDENCIES.iter().any(|top| path.starts_with(top));
        if !is_dependency {
            return Ok(false);
        }
        let entry = tree
            .lookup_entry(path.split('/'))
            .map_err(|error| reading::<gix::Error>("path", shown(path))(error))?;
        if entry.is_some() {
            return Ok(false);
        }
    }
    Ok(!parts.is_empty())
}
