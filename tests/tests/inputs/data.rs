//! What lives longer than a release: mounts and generated secrets.

use wharf_tests::{Tree, World};

/// Says what it can write, and what it was given.
const APP: &str = r#"import hashlib, http.server, os

def attempt(path):
    try:
        with open(path, "a") as file:
            file.write("x")
        return "written"
    except OSError as error:
        return error.strerror

with open("data/starts", "a") as file:
    file.write("x")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        lines = {
            "version": open("version").read().strip(),
            "code": attempt("/app/new"),
            "source": attempt("/app/app.py"),
            "beside": attempt("/app/shared/new"),
            "mount": attempt("/app/data/new"),
            "file": attempt("/app/etc/settings"),
            "temporary": attempt("/tmp/new"),
            "starts": str(len(open("data/starts").read())),
            "kept": str(len(open("etc/settings").read())),
            "shipped": str(os.path.exists("data/shipped")),
            "key": hashlib.sha256(os.environ["KEY"].encode()).hexdigest(),
            "long": str(len(os.environ["KEY"]) >= 43),
            "plain": os.environ["PLAIN"],
            "environment": os.environ["WHARF_ENVIRONMENT"] + " " + os.environ["WHARF_RELEASE"],
        }
        body = "".join(f"{name}: {value}\n" for name, value in lines.items()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

const CONFIG: &str = r#"web = "exec python3 app.py"
build = 'test -z "$KEY" && echo "plain $PLAIN"'

[mounts]
"data" = "data"
"etc/settings" = "private"

[env]
PLAIN = "of the repository"
KEY = { generate = "secret" }
"#;

fn value(page: &str, name: &str) -> String {
    let lead = format!("{name}: ");
    let line = page.lines().find_map(|line| line.strip_prefix(&lead));
    line.unwrap_or_else(|| panic!("no {name} in {page}"))
        .to_owned()
}

fn next(site: &Tree<'_>, version: &str, branch: &str) -> String {
    site.write("version", version);
    site.commit(version);
    site.push(&[&format!("HEAD:refs/heads/{branch}")])
        .ok()
        .has(&format!("{branch} now serves "));
    version.to_owned()
}

#[test]
fn code_is_read_only_and_mounts_and_secrets_stay() {
    let world = World::new();
    let site = world.site(
        "site",
        &[
            ("wharf.toml", CONFIG),
            ("app.py", APP),
            ("version", "0"),
            ("shared/x", "x"),
            ("etc/settings", ""),
            ("data/shipped", "hidden by the mount"),
        ],
    );
    site.init();
    let page = |branch: &str| world.get(&format!("{branch}--site.localhost"), "/").ok();
    next(&site, "1", "main");
    let first = page("main");
    for (name, expected) in [
        ("version", "1"),
        ("code", "Read-only file system"),
        ("source", "Read-only file system"),
        ("beside", "Read-only file system"),
        ("mount", "written"),
        ("file", "written"),
        ("temporary", "written"),
        ("starts", "1"),
        ("kept", "1"),
        ("long", "True"),
        ("plain", "of the repository"),
        ("environment", "main 1"),
    ] {
        assert_eq!(value(&first, name), expected, "{name}\n{first}");
    }

    // The next release finds data and secret as they were.
    next(&site, "2", "main");
    let second = page("main");
    assert_eq!(value(&second, "version"), "2");
    assert_eq!(value(&second, "starts"), "2", "{second}");
    assert_eq!(value(&second, "kept"), "2", "{second}");
    assert_eq!(value(&second, "key"), value(&first, "key"));

    // Another environment has its own, and leaves these alone.
    next(&site, "3", "other");
    let other = page("other");
    assert_eq!(value(&other, "starts"), "1", "{other}");
    assert_eq!(value(&other, "kept"), "1", "{other}");
    assert_ne!(value(&other, "key"), value(&first, "key"));
    let third = page("main");
    assert_eq!(value(&third, "version"), "2");
    assert_eq!(value(&third, "kept"), "3", "{third}");

    // A rollback changes the code, not the data.
    site.wharf(&["--project", "site", "--environment", "main", "rollback"])
        .ok();
    let back = page("main");
    assert_eq!(value(&back, "version"), "1");
    assert_eq!(value(&back, "kept"), "4", "{back}");
    assert_eq!(value(&back, "key"), value(&first, "key"));
    site.wharf(&["--environment", "main", "redeploy", "--rebuild"])
        .ok();
    assert_eq!(value(&page("main"), "key"), value(&first, "key"));
}
