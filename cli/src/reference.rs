//! The command line as a page: what `--help` of each command prints, in the order of the help.

use clap::Command;

use crate::args;

/// As wide as a page's code is read without scrolling.
const WIDTH: usize = 112;

/// A chapter on a program and on each of its commands but those that are hidden.
pub fn page(mut program: Command) -> String {
    program.build();
    let mut page = String::new();
    chapter(&mut page, program, 2);
    page
}

/// The rows of a table of names of other platforms.
pub fn names() -> String {
    args::other_names()
        .map(|(name, words)| format!("| `{name}` | `wharf {words}` |\n"))
        .collect()
}

fn chapter(page: &mut String, command: Command, depth: usize) {
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let mut shown = command.clone().term_width(WIDTH).mut_args(|argument| {
        let is_everybodys = argument.is_global_set() && depth > 2;
        let is_helps = ["help", "version"].contains(&argument.get_id().as_str());
        let is_hidden = argument.is_hide_set();
        argument.hide(is_hidden || is_everybodys || is_helps)
    });
    if let Some(long) = command.get_long_about() {
        shown = shown.about(long.clone());
    }
    let help = shown.render_help().to_string();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    page.push_str(&format!(
        "\n{} {name}\n\n```text\n{}\n```\n",
        "#".repeat(depth),
        lines.join("\n")
    ));
    for below in command.get_subcommands().filter(|sub| is_shown(sub)) {
        chapter(page, below.clone(), 3);
    }
}

/// Hidden ones are the programs' own, and `help` is clap's.
fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}
