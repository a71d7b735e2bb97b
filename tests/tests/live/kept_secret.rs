//! Where a secret lies, and where not: a walk over all that is on the disk and all that runs, after it
//! was set, built with, deployed with, printed, run by hand, replaced, copied and exported.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use wharf_tests::{World, run};

use crate::restarts::wait_for_line;
use crate::variables::{json, pipe};

/// With letters that addresses and base64 write otherwise.
const SECRET: &str = "s3cret/of+the=shop&100%-really";
/// What it was before.
const EARLIER: &str = "another/one+that=was&there";
const ENCODED: &str = "s3cret%2Fof%2Bthe%3Dshop%26100%25-really";

/// Says the secret in every way.
const SAY: &str = r#"import base64, os, sys, time, urllib.parse
secret = os.environ.get("TOKEN", "nothing yet")
print("plain", secret, flush=True)
print("base64", base64.b64encode(secret.encode()).decode())
for before in ("x", "xy"):
    print("shifted", base64.b64encode((before + ":" + secret).encode()).decode())
print("url", urllib.parse.quote(secret, safe=""), flush=True)
for letter in secret:
    sys.stdout.write(letter); sys.stdout.flush()
print(" was split", flush=True)
"#;
const SERVER: &str = r#"import http.server, os
import say
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["TOKEN"].encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;
const CONFIG: &str = r#"
web = "exec python3 app.py"
build = "python3 say.py"
[deploy]
run = "python3 say.py"
after = "python3 say.py"
[workers]
mail = "python3 say.py; exec sleep 1000"
"#;

/// What a text would be within base64, wherever it begins in it.
fn in_base64(text: &str) -> Vec<String> {
    let whole = |text: &str| {
        let mut encode = std::process::Command::new("sh");
        encode.args(["-c", "printf %s \"$1\" | base64 -w0", "sh", text]);
        run(&mut encode).ok().out
    };
    (0..3)
        .map(|before| {
            let text = whole(&format!("{}{text}", &"...."[..before]));
            // The letters that only the text decides.
            let begin = (before * 8).div_ceil(6);
            text.trim_end_matches('=')[begin..].trim_end().to_owned()
        })
        .map(|mut text| {
            text.pop();
            text
        })
        .collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

/// All files below a directory.
fn files(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            match () {
                () if metadata.is_dir() => waiting.push(path),
                () if metadata.is_file() => found.push(path),
                () => {}
            }
        }
    }
    found
}

#[test]
fn a_secret_lies_in_files_of_one_user_and_nowhere_else() {
    let world = World::new();
    // What was set while it was started: nothing of ours gets more rights by it.
    world.end_daemon();
    let mut start = world.command("sh");
    run(start.args(["-c", "umask 0; exec wharf start"])).ok();

    let shop = world.site(
        "shop",
        &[("wharf.toml", CONFIG), ("app.py", SERVER), ("say.py", SAY)],
    );
    shop.init();
    let token = ["-e", "main", "--secret", "--visible", "both", "TOKEN", "-"];
    pipe(&shop, &token, EARLIER).ok();
    shop.push(&["main"]).ok().has("main now serves r1.");
    pipe(&shop, &["-e", "main", "TOKEN", "-"], SECRET).ok();
    shop.wharf(&["redeploy"])
        .ok()
        .has("plain ****")
        .lacks(SECRET)
        .lacks(ENCODED);
    assert_eq!(shop.get("/").ok(), SECRET);
    for process in ["web", "mail"] {
        let output = format!("wharf/state/outputs/main.r2.{process}.*.log");
        wait_for_line(&world, &output, "was split");
    }
    shop.wharf(&["run", "--", "python3", "say.py", SECRET, ENCODED])
        .ok();
    run(world.command("wharfd").arg("backup")).ok();
    let key = json(&shop, &["slugs"])[0]["key"]
        .as_str()
        .unwrap()
        .to_owned();
    shop.sh(&format!("wharf slug export {key} >../slug.tar"))
        .ok();
    fs::remove_file(shop.path().with_extension("value")).unwrap();

    let mut words = in_base64(SECRET);
    words.extend([SECRET.to_owned(), ENCODED.to_owned()]);
    let mut earlier = in_base64(EARLIER);
    earlier.push(EARLIER.to_owned());
    let mut kept = Vec::new();
    for file in files(&world.path("")) {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        let bytes = fs::read(&file).unwrap();
        assert!(
            mode & 0o022 == 0 || !file.starts_with(world.home().join("state")),
            "{file:?} {mode:o}"
        );
        for word in words.iter().chain(&earlier) {
            if !holds(&bytes, word) {
                continue;
            }
            let state = world.home().join("state");
            let name = file.strip_prefix(&state).unwrap_or(&file).to_owned();
            assert_eq!(mode & 0o777, 0o600, "{} has {word}", name.display());
            kept.push(name);
        }
    }
    kept.sort();
    kept.dedup();
    // Where variables are kept, what a keeper starts again by itself, and what applications print, which
    // is starred where it is shown.
    let fits = |name: &&PathBuf| {
        let name = name.to_string_lossy().into_owned();
        let places = ["wharf.db", "backups/", "jobs/", "outputs/"];
        places.iter().any(|place| name.starts_with(place))
    };
    let elsewhere: Vec<_> = kept.iter().filter(|name| !fits(name)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let text = format!("{kept:?}");
    let is_found = text.contains("wharf.db") && text.contains("backups/");
    assert!(is_found, "the walk finds what is there: {text}");
    for ask in [
        &["log", "--app"][..],
        &["log", "--raw"],
        &["log"],
        &["activities"],
    ] {
        let said = shop.wharf(ask).ok();
        for word in words.iter().chain(&earlier) {
            assert!(!said.out.contains(word.as_str()), "{word} in {said}");
        }
    }

    for entry in fs::read_dir(world.home().join("state")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        let is_private = !entry.metadata().unwrap().is_dir() || mode & 0o077 == 0;
        assert!(is_private, "{:?} {mode:o}", entry.path());
    }
    for process in world.processes() {
        let of = |name: &str| fs::read(format!("/proc/{}/{name}", process.pid)).unwrap_or_default();
        let line = of("cmdline");
        let is_inside =
            fs::read_to_string(format!("/proc/{}/status", process.pid)).is_ok_and(|status| {
                status
                    .lines()
                    .any(|l| l.starts_with("NSpid:") && l.split_whitespace().count() > 2)
            });
        for word in &words {
            assert!(!holds(&line, word), "{:?}", process.line);
            assert!(
                is_inside || !holds(&of("environ"), word),
                "{:?}",
                process.line
            );
        }
        if !is_inside {
            let limits = String::from_utf8(of("limits")).unwrap();
            let core = limits
                .lines()
                .find(|line| line.starts_with("Max core file size"));
            let core: Vec<_> = core.unwrap().split_whitespace().skip(4).take(2).collect();
            assert_eq!(core, ["0", "0"], "{:?} may leave a core file", process.line);
        }
    }
}
