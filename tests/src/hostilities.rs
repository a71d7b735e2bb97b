//! What the test program `hostile` tries, and what comes of it. The page `docs/isolation.md` has its
//! table from here; a test there holds that each row has its test and each test its row.

/// Something that somebody does who means ill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hostility {
    /// The test that does it, as `cargo test` names it.
    pub test: &'static str,
    /// The class, or an advisory that it was learnt from.
    pub class: &'static str,
    /// What is tried.
    pub tries: &'static str,
    /// What comes of it.
    pub came: Came,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It is refused, or fails, in these words.
    Says(&'static str),
    /// It goes on, or is not spoken of, and does no harm.
    Held(&'static str),
}

impl Hostility {
    /// Its row of the page.
    pub fn row(&self) -> String {
        let came = match self.came {
            Came::Says(words) => format!("\"{}\"", words.trim_end()),
            Came::Held(how) => how.to_owned(),
        };
        let Hostility {
            test, class, tries, ..
        } = self;
        format!("| `{test}` | {class} | {tries} | {came} |\n")
    }
}

const fn says(
    test: &'static str,
    class: &'static str,
    tries: &'static str,
    words: &'static str,
) -> Hostility {
    let came = Came::Says(words);
    Hostility {
        test,
        class,
        tries,
        came,
    }
}

const fn held(
    test: &'static str,
    class: &'static str,
    tries: &'static str,
    how: &'static str,
) -> Hostility {
    let came = Came::Held(how);
    Hostility {
        test,
        class,
        tries,
        came,
    }
}

/// All of them, by what is hostile.
pub const HOSTILITIES: &[Hostility] = &[
    // Trees.
    says(
        "trees::names_that_lead_out",
        "path traversal: Gogs CVE-2026-52813, git CVE-2014-9390",
        "entries `..`, `.git`, `.GIT`, `a/b`, `/etc`",
        "the tree holds a path that is refused",
    ),
    says(
        "trees::a_link_and_a_directory_of_one_name",
        "git CVE-2021-21300, CVE-2024-32002",
        "a link and a directory of one name, with a file through it",
        "the tree holds a path that is refused: a",
    ),
    held(
        "trees::names_that_differ_in_case",
        "git CVE-2021-21300",
        "a link `a` and a directory `A`",
        "both arrive; the link is not followed",
    ),
    says(
        "trees::ten_objects_for_ten_thousand_million_files",
        "decompression bomb",
        "ten trees, each ten times in the next",
        "the tree is too large: more than 500000 files and directories",
    ),
    says(
        "trees::directories_without_end",
        "exhaustion of the stack",
        "200 directories in each other",
        "the tree is too large: more than 128 directories in each other",
    ),
    says(
        "trees::a_path_that_no_system_opens",
        "exhaustion of a buffer",
        "a path of more than 4,096 bytes",
        "the tree is too large: more than 4096 bytes of a path",
    ),
    says(
        "trees::one_large_file_under_many_names",
        "decompression bomb",
        "a file of 64 MiB under 70 names",
        "the tree is too large: more than 4294967296 bytes",
    ),
    says(
        "trees::submodules_with_options_for_addresses",
        "git CVE-2018-17456, CVE-2018-11235, CVE-2022-39253",
        "`.gitmodules` with `-u …` and `ext::` for addresses, `..` and `.git` for paths",
        "submodules are not supported yet: a",
    ),
    says(
        "trees::gits_own_files_as_links",
        "git CVE-2024-32020, Gogs CVE-2025-8110",
        "`.gitmodules` and `.gitattributes` that are links",
        "gitmodulesSymlink",
    ),
    says(
        "trees::a_filter_that_the_host_would_run",
        "programs in attributes",
        "`filter=` with a driver that the repository's configuration has",
        "index.html has the attribute filter=trap, which is not supported",
    ),
    says(
        "trees::attributes_that_rewrite_files",
        "git CVE-2022-23521 and kin",
        "`working-tree-encoding` of strange names, `export-subst`",
        "index.html has the attribute working-tree-encoding=",
    ),
    // Configuration.
    says(
        "configuration::links_and_directories_for_files",
        "Gogs CVE-2025-8110",
        "`wharf.toml`, `Procfile` or `package.json` that is a link to `/etc/passwd`, or a directory",
        "a symbolic link",
    ),
    held(
        "configuration::nonsense_and_malice",
        "parsers",
        "no UTF-8, NULs, escapes, bidi, 100,000 brackets or dots, 10,000 unknown keys, 10 MB",
        "each is refused with its line; none takes long, paints or grows",
    ),
    says(
        "configuration::one_byte_more_than_is_read",
        "exhaustion of memory",
        "a `wharf.toml` of 256 KiB and a byte",
        "it has 262145 bytes, at most 256 KiB are read",
    ),
    held(
        "configuration::a_build_that_rewrites_it",
        "check and use at different times",
        "a build that writes another `wharf.toml`",
        "what was pushed counts, and visitors never see the file",
    ),
    // Names.
    says(
        "names::branches",
        "argument injection: Gogs CVE-2026-52806; Dokku CVE-2026-45408",
        "branches `--upload-pack=id`, `$(id)`, `a;b`, bidi, no UTF-8, `HEAD`; names that look alike",
        "hint: rename it",
    ),
    says(
        "names::a_branch_of_3600_bytes",
        "exhaustion of a buffer",
        "a branch of 3,600 bytes",
        "at most 200 are allowed",
    ),
    held(
        "names::refs_within_refs",
        "confusion of names",
        "`refs/heads/refs/heads/main`, `refs/heads/heads/main`, `refs/tags/main`, `refs/for/main`",
        "branches of their own, or nobody's; `main` is not moved",
    ),
    held(
        "names::thousands_of_branches",
        "exhaustion of a queue",
        "3,000 branches in one push",
        "refused in a few lines; nothing is recorded",
    ),
    held(
        "names::files",
        "terminal escapes, lines that imitate ours",
        "file names with line ends, escapes, no UTF-8, `-rf`, 60 directories",
        "what is wrong with them is said on one line; what is only strange arrives and is served",
    ),
    held(
        "names::subjects",
        "terminal escapes: git CVE-2024-52005",
        "subjects with escapes and bidi, of 2 MB, empty",
        "live; shown escaped and cut",
    ),
    held(
        "names::authors",
        "terminal escapes, shell text",
        "authors with escapes, bidi, no UTF-8, `$(…)`; subjects that imitate the last line",
        "live; nothing paints, no line is taken for ours",
    ),
    says(
        "names::push_options",
        "argument injection",
        "push options with escapes, shell text, bidi, of 5,000 bytes; 65 of them",
        "Wharf takes at most 64 push options of 1024 bytes",
    ),
    // Output.
    says(
        "output::a_flood",
        "exhaustion of disk and memory",
        "a build that prints 50 MB",
        "it printed more than 20.0 MB",
    ),
    held(
        "output::one_line_without_an_end",
        "exhaustion of memory",
        "a line of 15 MB",
        "live; the line is cut, the daemon stays small",
    ),
    held(
        "output::lines_of_ours",
        "lines that imitate ours: git CVE-2024-52005",
        "verdicts, last lines, `remote:`, `[main]`, after `\\r`, escapes, other line ends",
        "each is marked as the build's; the last line is the truth",
    ),
    held(
        "output::a_process_that_imitates_us",
        "lines that imitate ours",
        "the same from a web process that does not come to serve",
        "each is marked as the process's",
    ),
    held(
        "output::what_paints_on_a_terminal",
        "terminal escapes: git CVE-2024-52005",
        "titles, clipboard, colours, questions to the terminal, C1, bidi",
        "taken out or escaped, in a push and in `wharf log`",
    ),
    // Processes.
    says(
        "processes::a_fork_bomb",
        "exhaustion of processes",
        "a build that forks without end",
        "perhaps it met build.limits.tasks = 200",
    ),
    says(
        "processes::as_much_memory_as_it_gets",
        "exhaustion of memory",
        "a build that takes memory without end",
        " of memory, and build.limits.memory is 200.0 MB",
    ),
    says(
        "processes::as_much_disk_as_it_gets",
        "exhaustion of disk",
        "a build that writes into its directory without end",
        " of disk, and build.limits.disk is 100.0 MB",
    ),
    says(
        "processes::a_full_scratch_directory",
        "exhaustion of disk",
        "a build that fills `/tmp`",
        "No space left on device",
    ),
    says(
        "processes::a_result_that_claims_to_be_endless",
        "exhaustion of disk",
        "a result with a sparse file of 200 GiB",
        "the build's result is too large",
    ),
    says(
        "processes::a_result_without_a_bottom",
        "exhaustion of the stack",
        "a result with 300 directories in each other",
        "the build's result is too large: more than 256 directories in each other",
    ),
    held(
        "processes::what_outlives_its_stage",
        "survivors",
        "a build and a deploy command that leave processes: twice forked, in another session, without descriptors, stopped",
        "all are gone when the stage is",
    ),
    says(
        "processes::silence_with_closed_descriptors",
        "exhaustion of time",
        "a build that closes its output and sleeps",
        "stopped: it printed nothing for 2s",
    ),
    says(
        "processes::a_signal_for_everybody",
        "signals",
        "`kill -9 -1`",
        "none of them is ours",
    ),
    says(
        "processes::a_look_at_the_neighbour",
        "snooping",
        "`/proc`, `ptrace`, signals, priority of a neighbour's process; its secret anywhere",
        "attach - Operation not permitted",
    ),
    says(
        "processes::a_word_with_the_daemon",
        "Gitea CVE-2026-60004 and kin",
        "the daemon's and the router's sockets, by name, by `/proc/1/root`, as abstract names",
        "not there: No such file or directory",
    ),
    says(
        "processes::files_that_run_as_their_owner",
        "privilege",
        "a build that makes files setuid and setgid",
        "Operation not permitted",
    ),
    says(
        "processes::a_port_that_a_neighbour_took",
        "hijacking of ports",
        "a process that listens on the port of another environment's, before that does",
        "another program listens on port",
    ),
    // Links.
    held(
        "links::a_link_in_a_build_cache",
        "GitLab Runner CVE-2022-1423, link following",
        "a link in a build cache, and a cache below it",
        "nothing outside is written",
    ),
    says(
        "links::a_link_in_place_of_a_socket",
        "link following",
        "a process that puts a link to a neighbour's socket in place of its own, at its start and later",
        "nothing listens",
    ),
    says(
        "links::a_link_in_place_of_the_public_directory",
        "link following",
        "a build that makes `public` a link to `/etc`, to the state, to itself",
        "public = \"out\" is no directory",
    ),
    held(
        "links::links_out_of_the_public_directory",
        "link following, disclosure of `.git`",
        "links to the host, the state, the code, `/proc`; dotfiles and `.git`, also as `%2e` and through links",
        "404",
    ),
    says(
        "links::a_link_where_a_mount_goes",
        "link following",
        "a committed link where a mount goes, or on its way",
        "cannot make the mount point",
    ),
    held(
        "links::links_in_a_mount_that_is_served",
        "link following",
        "links to the host, the state and the configuration, and a pipe, in a mount below `public`",
        "404",
    ),
    says(
        "links::a_slug_that_changes_later",
        "Nix CVE-2024-27297, GitLab Runner CVE-2022-1423",
        "a background writer with open descriptors, hard links in the tree, in the cache and in `/tmp`",
        "Invalid cross-device link",
    ),
    // Patches and archives.
    says(
        "patches::patches_that_write_beyond_the_tree",
        "path traversal: git CVE-2023-23946 and kin",
        "patches to `../x`, absolute, `.git/hooks`, through links, moved out; one of 5 MB",
        "p/1.patch does not apply",
    ),
    says(
        "archives::an_archive_that_a_build_unpacks",
        "path traversal: zip slip, tar's links",
        "`..`, absolute names, links, hard links, devices, setuid, pipes",
        "the build left a named pipe at pipe",
    ),
    held(
        "archives::a_slug_that_somebody_forged",
        "path traversal, Nix CVE-2026-39860",
        "20 forged slugs: `..`, absolute, devices, pipes, hard links, setuid, twice, endless, wrong digest, cut",
        "each is refused by its name, with a hint; nothing is left",
    ),
    // Visitors.
    held(
        "requests::one_request_is_one_request",
        "request smuggling: CL.TE, TE.CL, folded headers, NULs",
        "27 requests that two servers could read in two ways",
        "refused, or read in one way; the application never sees a second one",
    ),
    held(
        "requests::who_sends_half_a_request_keeps_nobody_waiting",
        "slowloris",
        "300 half requests during a push",
        "others are served",
    ),
    held(
        "visitors::a_neighbours_name",
        "Host header attacks",
        "absolute forms, users, ports, two hosts, upper case, dots, IPv6, `X-Forwarded-Host`",
        "one host counts; what names two is refused",
    ),
    held(
        "visitors::headers_for_one_connection_only",
        "request smuggling by `Connection`",
        "`Connection: content-length`, `transfer-encoding`, `host`",
        "the body ends where it ended",
    ),
    held(
        "visitors::an_upgrade_that_hides_a_request",
        "request smuggling by `Upgrade`",
        "WebSockets that are refused, `h2c`, several protocols",
        "what follows is read as a request of its own",
    ),
    held(
        "visitors::chunks_that_two_would_read_in_two_ways",
        "request smuggling: TE.TE, chunk extensions",
        "extensions, bare line ends, signs, trailers, 200 kB of either",
        "refused, or one request",
    ),
    held(
        "visitors::ten_thousand_who_never_finish",
        "slowloris",
        "10,500 half requests during a push, more than the router has places for",
        "who has waited longest goes: others are served, and the switch is seen",
    ),
    held(
        "visitors::bodies_that_never_end",
        "slow bodies",
        "200 bodies of which one byte comes",
        "others are served, and the switch is seen",
    ),
    held(
        "visitors::answers_that_are_none",
        "response splitting, desynchronisation",
        "an application that answers twice, with two lengths, garbage, endless headers, an upgrade that nobody wished",
        "502, or one answer; the next request gets its own",
    ),
    // Clients.
    says(
        "clients::a_message_that_is_none",
        "parsers",
        "another version, a frame of 4 GiB, of 64 KiB and a byte, garbage, half a frame",
        "is larger than",
    ),
    held(
        "clients::two_hundred_who_say_nothing",
        "exhaustion of connections",
        "200 silent connections to daemon and router each, and half frames",
        "a push goes through",
    ),
    held(
        "clients::a_million_messages",
        "exhaustion of time",
        "a million small messages during a push",
        "cut off; the push goes through",
    ),
    held(
        "clients::more_callers_than_there_are_places",
        "exhaustion of connections",
        "2,000 silent connections to the daemon",
        "who is silent for longest makes room; a push goes through",
    ),
    held(
        "clients::more_watchers_than_there_are_places",
        "exhaustion of connections",
        "600 callers who follow the log of a build that does not end",
        "who has watched for longest makes room and is told so; a push goes through",
    ),
    held(
        "clients::what_a_pusher_has_in_the_environment",
        "injection by variables",
        "`GIT_*`, `BASH_ENV`, `IFS`, `SSH_*`, a forged count of push options",
        "nothing of it reaches a build or a deploy command",
    ),
];
