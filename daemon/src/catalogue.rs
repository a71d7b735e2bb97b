//! Every refusal and failure of the daemon: its stable code, what it means, what to do. A part of
//! `docs/errors.md` is made from this; a test holds the two and the code together.

mod entry;

use entry::entry;
pub use entry::{Entry, find, page};

/// Every code, in the order of the page.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    entry(
        "abandoned",
        "Wharf was restarted during the check of a push, which git has answered without it",
        "push again, if the branch did not move",
    ),
    entry(
        "approval",
        "it is built and waits: somebody has to approve that it goes live",
        "an admin runs `wharf approve ID`",
    ),
    entry(
        "approved",
        "somebody let a deployment go on that was built and waited: this activity is that word, and names the other",
        "`wharf log ID` of the one that it names",
    ),
    entry("archive-busy", "as many slugs are exported and imported as may at a time", "try it again when one is done"),
    entry("archive-damaged", "an archive of a slug ends too early, or a file in it is not what its own list says", "bring it here again, or export it again"),
    entry("archive-key", "an archive names another key than that of what it says its slug is made of", "take what `wharf slug export` wrote, as it is"),
    entry("archive-late", "writing or reading the archive of a slug took longer than a build may", "from a machine with a better line, or have build.limits.time raised"),
    entry("archive-refused", "what was to be imported is no archive of a slug, or holds what none does: a path that leads out, a device, a hard link, a setuid file, a name twice", "take what `wharf slug export` wrote, as it is"),
    entry("archive-too-large", "the slug of an archive is larger than a build's may be", "keep large data on a mount"),
    entry("archive-version", "an archive was written by a Wharf that lays archives or slugs out otherwise", "export it with the release of Wharf that runs here"),
    entry(
        "bad-branch",
        "the name of a pushed branch cannot be an environment's",
        "`git branch -m OLD NEW`, then push again",
    ),
    entry(
        "bad-commit",
        "a commit that should go live is not named by its whole id",
        "`git rev-parse HEAD` prints it",
    ),
    entry(
        "branch-exists",
        "a branch that is to begin is there already",
        "choose another name",
    ),
    entry(
        "branch-name",
        "a new branch may not be called so: no name of a branch, or the project's file gives it a place or takes none like it",
        "choose another name",
    ),
    entry(
        "build-failed",
        "a build step ended with a failure",
        "its last lines are shown; `wharf log ID --raw` has all",
    ),
    entry(
        "caller-gone",
        "whoever ran a command by hand went away, so it was ended",
        "run it again; work that should outlive its terminal belongs into deploy commands or workers",
    ),
    entry(
        "cancelled",
        "somebody stopped the activity",
        "push again, or `wharf redeploy`",
    ),
    entry(
        "check-failed",
        "a command of `[checks]` failed against the new release, which never served",
        "its last lines are shown; mend what it found, or the check, and push again",
    ),
    entry(
        "checkout-failed",
        "the tree cannot be checked out whole: a submodule, an LFS pointer, a filter",
        "the message names the path",
    ),
    entry(
        "config-invalid",
        "the configuration at the commit is not valid, and no pre-receive hook refused it",
        "mend it; `wharf hook status REPO` says why the hook did not",
    ),
    entry(
        "config-too-large",
        "what is set in an environment does not fit in a file that is read",
        "keep large values in files of the repository",
    ),
    entry(
        "conflicts",
        "two branches changed the same files in ways that do not merge; the files are listed, nothing was changed",
        "solve it in a work tree by the commands shown, push, merge again",
    ),
    entry(
        "crashed",
        "a process of the new release that answers requests ended at its start",
        "its output is shown; it must stay in the foreground",
    ),
    entry(
        "data-upward",
        "somebody asked for data to be copied into production",
        "data never goes up",
    ),
    entry(
        "denied",
        "the project's `[roles]` do not let this person do that in an environment of that type",
        "ask whoever keeps the project's file; the hint says who may",
    ),
    entry(
        "deploy-failed",
        "a deploy command failed; it may have changed data",
        "its last lines are shown",
    ),
    entry(
        "disk-full",
        "the host's disk had no room left for a step; what served serves on",
        "make room on the host, then `wharf redeploy`",
    ),
    entry(
        "ended",
        "an activity that should be cancelled has ended already",
        "`wharf log ID`",
    ),
    entry(
        "environment-ends",
        "the environment is being deleted or deactivated, and what people run there ends first",
        "`wharf activities` shows what takes it down",
    ),
    entry(
        "exit-code",
        "a command that somebody ran by hand ended with another code than 0, or by a signal",
        "what it printed went to whoever ran it",
    ),
    entry(
        "front-missing",
        "`front` is no file of the build's result below `public`, or a link out of it",
        "commit it there, or make it in the build",
    ),
    entry(
        "grant-time",
        "a link was asked for that opens for less than a minute or more than 30 days",
        "`wharf url --grant 1h`",
    ),
    entry(
        "has-children",
        "the branch is the parent of environments that would stay",
        "`wharf delete --with-children -e NAME`, or delete them first",
    ),
    entry(
        "host",
        "something of the host itself failed: disk, store, sandbox",
        "tell its operator; `wharf doctor`",
    ),
    entry(
        "host-not-allowed",
        "a route of `wharf.toml` names a host that is not this environment's: another has it, environments are named there, or it is too long for a name",
        "leave it out, or ask the host's operator to add it to the environment's `hosts`",
    ),
    entry(
        "inactive",
        "the environment is inactive: a push is kept and nothing is deployed, and there is nothing to redeploy, pause or resume",
        "`wharf activate`; the hint names what makes room first",
    ),
    entry(
        "interrupted",
        "Wharf was stopped while deploy commands ran, and they are not `repeatable`",
        "see what they did, then `wharf redeploy`",
    ),
    entry(
        "low-disk",
        "less than `keep.min_free` is free for the state or the repository, and nothing was left to remove",
        "make room on the host: `wharf doctor`",
    ),
    entry(
        "merge-only",
        "the environment takes code by merge or promote only (`accept = \"merge\"`) and has a release",
        "push to one of its children, then `wharf merge -e CHILD`",
    ),
    entry(
        "mirror",
        "the branch follows production (`mirror_to`): it is nobody's to push to, to delete or to branch from",
        "push to another branch",
    ),
    entry(
        "moved",
        "another push was accepted while this one waited for its check",
        "fetch, then push again",
    ),
    entry(
        "new-branch",
        "the project takes no new branches by push (`on_new_branch = \"reject\"`)",
        "push to a branch that is there: `wharf environments`",
    ),
    entry(
        "no-command",
        "a command that should be run has no name, begins with `-`, or is too long",
        "`wharf run -- sh -c '...'` for a line of a shell",
    ),
    entry(
        "no-commit",
        "the branch has no tip to deploy",
        "push it again",
    ),
    entry(
        "no-grant",
        "the environment opens from some networks only, so a link would not open it",
        "`access` in the project's file is the operator's",
    ),
    entry(
        "no-parent",
        "the environment has no parent, as production has none, or nothing says which",
        "`wharf environments`; `wharf info --parent`",
    ),
    entry(
        "no-port",
        "no port is free for a web process",
        "tell the host's operator",
    ),
    entry(
        "no-release",
        "that release never served, or was removed",
        "`wharf releases`",
    ),
    entry(
        "not-branchable",
        "nobody branches from there: `branchable = false`",
        "name another parent",
    ),
    entry(
        "not-fast-forward",
        "the parent has commits that its child does not serve",
        "`wharf sync code`, then promote again",
    ),
    entry(
        "not-live",
        "nothing serves in the environment yet",
        "`wharf log -e ENVIRONMENT` says why",
    ),
    entry(
        "not-parked",
        "what should be approved does not wait for that",
        "`wharf activities` shows what waits; `wharf approve ID --now` passes by a window",
    ),
    entry(
        "not-supported-yet",
        "this version of Wharf cannot do it",
        "the message says what it can",
    ),
    entry(
        "operator-only",
        "it concerns the whole host: only root and the daemon's own user may, and not on behalf of somebody",
        "ask the host's operator",
    ),
    entry(
        "over-limit",
        "a build, a deployment or a process took more than one of `build.limits`, `deploy.limits` or `processes.limits`, which the message names, and was stopped with all that it had started",
        "let it take less, or ask the host's operator to raise the limit",
    ),
    entry(
        "parent-ring",
        "an environment would be its own ancestor",
        "choose another parent",
    ),
    entry(
        "patch-conflict",
        "a patch does not apply to the tree; nothing goes on with a tree that is patched in part",
        "the patch, the file, the hunk and the lines that differ are named: make it anew or remove it",
    ),
    entry(
        "patch-refused",
        "what is found as patches is no file, or too large, or too many",
        "say which files are patches in `build.patches`",
    ),
    entry(
        "plan-limit",
        "as many environments are active or paused as the project's `plan` or `max_active` allows",
        "`wharf deactivate` one; the least recently deployed is named",
    ),
    entry(
        "port-taken",
        "another program of this host listens on the port that a process was given",
        "push again for another port; `$SOCKET` is the process's own",
    ),
    entry(
        "production",
        "production is never paused or deactivated, and has no parent",
        "another environment",
    ),
    entry(
        "production-stays",
        "production's branch cannot be deleted",
        "to move production elsewhere, change the project's file first",
    ),
    entry(
        "protocol",
        "a message that is not expected, or too large, or too late",
        "upgrade; run `wharf hook install` again",
    ),
    entry(
        "public-missing",
        "`public` is no directory of the build's result, or a link out of it",
        "make it in the build",
    ),
    entry(
        "queue-full",
        "as many activities wait as may: 20 in an environment, 200 in a project, 1,000 on the host; each branch of a push counts",
        "wait until some have ended, or `wharf cancel` one; push many branches in several goes",
    ),
    entry(
        "reserved-variable",
        "Wharf itself sets a variable of that name",
        "choose another name",
    ),
    entry(
        "run-interrupted",
        "Wharf was stopped while somebody's command ran, which was ended",
        "see what it did, then run it again",
    ),
    entry(
        "run-lost",
        "a command that somebody ran by hand ended, and how is not known",
        "tell the host's operator",
    ),
    entry(
        "runtime-missing",
        "the host has no such runtime, or another version",
        "ask for what it has, or have it installed",
    ),
    entry("slug-damaged", "a slug on the host's disk is not what was frozen, and is not exported", "`wharf redeploy --rebuild`"),
    entry("slug-differs", "a slug is made of the same as the archive's, and holds something else: its build does not make the same twice", "what is here stays; `wharf redeploy --rebuild` makes a newer one"),
    entry(
        "slug-missing",
        "the slug of a release is gone from the disk",
        "`wharf redeploy --rebuild`",
    ),
    entry(
        "slug-refused",
        "the build left what a slug cannot hold: a socket, a pipe, too much",
        "remove it in a last build step",
    ),
    entry("slug-unfit", "a slug has a name that an archive cannot hold: no UTF-8, or longer than 4000 bytes", "give the file another name, and push that"),
    entry(
        "status",
        "the environment is that already, or not what the command needs: paused, active",
        "the hint names the command that fits",
    ),
    entry(
        "store-damaged",
        "the database contradicts itself, or is none",
        "`wharf doctor` names the newest backup; [restore it](operator.md#the-database)",
    ),
    entry(
        "store-foreign",
        "a database of something else stands in its place",
        "the same",
    ),
    entry(
        "store-missing",
        "the database is gone or empty, and slugs, releases, routes or mounts are there",
        "mount its file system, or [restore a backup](operator.md#the-database)",
    ),
    entry(
        "store-newer",
        "a newer Wharf wrote the database",
        "start that one, or [go back](operator.md#the-database)",
    ),
    entry(
        "store-read-only",
        "the database cannot be written",
        "mend the mount, or its owner and mode",
    ),
    entry(
        "superseded",
        "a newer push to the same branch took its place",
        "follow the newer one",
    ),
    entry(
        "title",
        "a title is one line of at most 80 characters",
        "choose another",
    ),
    entry(
        "too-many-branches",
        "more branches in one push than are looked at",
        "push in several goes",
    ),
    entry(
        "too-many-commands",
        "as many commands as may at a time run by hand in the environment, or on the host",
        "`wharf activities`; `wharf cancel ID` ends one",
    ),
    entry(
        "too-many-watchers",
        "more people watch activities than the daemon has room for: whoever has watched for longest is let go",
        "what was watched goes on: `wharf log ID`",
    ),
    entry(
        "unhealthy",
        "the new release did not listen, or not answer well, in time",
        "it must listen on `127.0.0.1:$PORT` or `$SOCKET`",
    ),
    entry(
        "unknown-activity",
        "there is no such activity",
        "`wharf activities`",
    ),
    entry(
        "unknown-commit",
        "a commit that should go live is not in the repository",
        "push it first, on any branch",
    ),
    entry(
        "unknown-environment",
        "there is no such environment, or none is named",
        "`wharf environments`, `-e`",
    ),
    entry(
        "unknown-project",
        "there is no such project, or none is named",
        "`wharf project list`, `-p`",
    ),
    entry(
        "unknown-repository",
        "no project names the repository",
        "`wharf project add NAME REPOSITORY`",
    ),
    entry("unknown-slug", "no slug of the project that may be known there has such a key or digest, or several begin so", "`wharf slugs --json` shows all digits"),
    entry(
        "unknown-type",
        "there is no such type of environments",
        "`production`, `staging`, `development`",
    ),
    entry(
        "unknown-variable",
        "nobody has set that variable there",
        "`wharf variable list`",
    ),
    entry(
        "unrelated-histories",
        "two branches have no commit in common",
        "begin the branch anew: `wharf branch`",
    ),
    entry(
        "up-to-date",
        "there is nothing to bring: the one branch has all of the other",
        "`wharf redeploy` deploys its tip again",
    ),
    entry(
        "variable-committed",
        "the deployed commit has the variable in `wharf.config.toml`, so it is read-only there",
        "change it in that file, commit and push",
    ),
    entry(
        "variable-json",
        "the variable takes JSON only, and the value is none",
        "mend the value",
    ),
    entry(
        "variable-limit",
        "a level holds 256 variables and 128 KiB, a project 10,000 variables",
        "`wharf variable delete` what is not needed",
    ),
    entry(
        "variable-missing",
        "the code requires a variable that nobody has set for the environment, or not where it is needed",
        "the hint is the command that sets it",
    ),
    entry(
        "variable-name",
        "that is no name of a variable: letters, digits and `_`, no digit first",
        "choose another",
    ),
    entry(
        "variable-secret",
        "a secret's value is never shown",
        "set another one",
    ),
    entry(
        "variable-value",
        "a value has at most 16 KiB, and no control characters but line ends and tabs",
        "keep large values in files",
    ),
    entry(
        "version",
        "the caller and the daemon speak different versions of the protocol",
        "upgrade the older one; then `wharf hook install` again",
    ),
    entry(
        "waiting",
        "it has not begun: the message says for what it waits and how many go before it",
        "`wharf cancel ID` takes it out",
    ),
    entry(
        "window",
        "it is built and goes live by itself when its deploy window or time comes",
        "an admin runs `wharf approve ID --now` to pass it by",
    ),
];

#[cfg(test)]
mod tests;
