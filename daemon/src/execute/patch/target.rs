//! What a patch is for: the files that it names.

use diffy::patch_set::{FileOperation, FilePatch, ParseOptions, PatchSet};

use crate::run::output::Sink;

/// The parts of a patch, one a file, as far as they can be read.
pub(super) fn parts(text: &str) -> Vec<FilePatch<'_, str>> {
    let is_git = text.lines().any(|line| line.starts_with("diff --git "));
    let options = match is_git {
        true => ParseOptions::gitdiff(),
        false => ParseOptions::unidiff(),
    };
    PatchSet::parse(text, options)
        .map_while(Result::ok)
        .collect()
}

/// The file that is there before, or is to be made: `git apply` takes off the first directory, but
/// not of a rename or a copy.
pub(super) fn target<'a>(part: &'a FilePatch<'_, str>) -> &'a str {
    let stripped = |path: &'a str| path.split_once('/').map_or(path, |(_, rest)| rest);
    match part.operation() {
        FileOperation::Delete(path) | FileOperation::Create(path) => stripped(path),
        FileOperation::Modify { original, .. } => stripped(original),
        FileOperation::Rename { from, .. } | FileOperation::Copy { from, .. } => from,
    }
}

/// A stranger's text, on one line of a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut sink = Sink::default();
    let mut lines = sink.push(text.replace(['\n', '\r'], " ").as_bytes());
    lines.extend(sink.finish());
    lines.concat().chars().take(200).collect()
}
