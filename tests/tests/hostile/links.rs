//! Links in place of what Wharf itself opens, mounts, links and serves: none leads it anywhere.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::thread;

use wharf_tests::{Shop, World};

use crate::app::{CONFIG, deployed};
use crate::{host::Host, says};

#[test]
fn a_link_in_a_build_cache() {
    let host = Host::new();
    let shop = deployed(&host, "shop");
    let outside = host.path("outside");
    fs::create_dir(&outside).unwrap();
    let build = |cache: &str, run: &str| {
        let build = format!("[build]\ncache = [\"{cache}\"]\nsteps = [\"{run}\"]\n");
        shop.write("wharf.toml", &format!("{}{build}", CONFIG.1));
        shop.commit("Cache");
        shop.push(&["main"]).ok()
    };
    build("~/a", &format!("ln -s {} ~/a/b", outside.display())).has("main now serves r2");
    build("~/a/b", "echo owned > ~/a/b/owned").has("main now serves r3");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    host.still_serves();
}

/// A server of somebody else on this host, behind a Unix socket.
fn neighbour(world: &World) -> String {
    let path = world.path("neighbour.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nstolen";
            if stream.read(&mut [0; 4096]).is_err() || stream.write_all(answer.as_bytes()).is_err()
            {
                return;
            }
        }
    });
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_link_in_place_of_a_socket() {
    let host = Host::new();
    let shop = deployed(&host, "shop");
    let neighbour = neighbour(&host);
    let config =
        "web = \"exec python3 evil.py\"\n[deploy]\nhealth = { path = \"/\", within = \"2s\" }\n";
    shop.write("wharf.toml", config);
    shop.write(
        "evil.py",
        &format!(
            "import os, signal\nos.symlink(\"{neighbour}\", os.environ[\"SOCKET\"])\nsignal.pause()\n"
        ),
    );
    shop.commit("From the start");
    shop.push(&["main"])
        .ok()
        .has(says("links::a_link_in_place_of_a_socket"))
        .has("main still serves r1");

    // And later, when it serves already.
    let swap = r#"import http.server, os, socketserver

class Server(socketserver.UnixStreamServer):
    def get_request(self):
        return self.socket.accept()[0], ("local", 0)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/swap":
            os.unlink(os.environ["SOCKET"])
            os.symlink("NEIGHBOUR", os.environ["SOCKET"])
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"own")

Server(os.environ["SOCKET"], Handler).serve_forever()
"#;
    shop.write("evil.py", &swap.replace("NEIGHBOUR", &neighbour));
    shop.commit("Later");
    shop.push(&["main"]).ok().has("main now serves");
    assert_eq!(shop.get("/").ok(), "own");
    assert_eq!(shop.get("/swap").ok(), "own");
    let page = shop.get("/");
    assert_eq!(page.status, 502, "{}", page.body);
    host.still_serves();
}

#[test]
fn a_link_in_place_of_the_public_directory() {
    let host = Host::new();
    let shop = deployed(&host, "shop");
    let build = |target: &str| {
        let config = format!("public = \"out\"\nbuild = \"ln -s {target} out\"\n");
        shop.write("wharf.toml", &config);
        shop.commit("Link");
        shop.push(&["main"]).ok()
    };
    shop.write("pages/index.html", "pages\n");
    for target in ["/etc", "../../slugs", "/app/pages", "out"] {
        build(target)
            .has(says("links::a_link_in_place_of_the_public_directory"))
            .has("main still serves r1; nothing was changed.");
        assert_eq!(shop.get("/").ok(), "one\n");
    }
    // One that stays inside is as good as the directory.
    build("pages").has("main now serves");
    assert_eq!(shop.get("/").ok(), "pages\n");
    host.still_serves();
}

#[test]
fn links_out_of_the_public_directory() {
    let host = Host::new();
    let shop = Shop::open(&host);
    fs::write(host.path("secret"), "secret of the host\n").unwrap();
    shop.tree
        .write("private/secret.txt", "secret of the code\n");
    shop.tree.write("site/index.html", "two\n");
    shop.tree.write("site/.htpasswd", "secret of a file\n");
    shop.tree.write("site/.git/config", "secret of git\n");
    shop.tree.write("site/.well-known/x", "known\n");
    let state = host.home().join("state");
    for (target, link) in [
        (host.path("secret").display().to_string(), "absolute"),
        ("../private/secret.txt".to_owned(), "above"),
        ("/app/private/secret.txt".to_owned(), "app"),
        ("../private".to_owned(), "directory"),
        (".htpasswd".to_owned(), "hidden"),
        (".git".to_owned(), "git"),
        ("..".to_owned(), "up"),
        ("/".to_owned(), "root"),
        ("/proc/self/environ".to_owned(), "process"),
        ("/proc/self/fd/0".to_owned(), "descriptor"),
        (state.display().to_string(), "state"),
        ("self".to_owned(), "self"),
        ("a/".repeat(1500), "long"),
    ] {
        symlink(target, shop.path("site").join(link)).unwrap();
    }
    // git takes no `.git` into a tree, but a build may make one.
    let config =
        "public = \"site\"\nbuild = \"mkdir -p site/.git && cp site/.htpasswd site/.git/config\"\n";
    shop.tree.write("wharf.toml", config);
    shop.live();
    assert_eq!(shop.tree.get("/").ok(), "two\n");
    assert_eq!(shop.tree.get("/.well-known/x").ok(), "known\n");
    for path in [
        "/absolute",
        "/above",
        "/app",
        "/directory/secret.txt",
        "/hidden",
        "/git/config",
        "/up/wharf.toml",
        "/up/private/secret.txt",
        "/root/etc/passwd",
        "/process",
        "/descriptor",
        "/state/lock",
        "/self",
        "/long",
        "/.htpasswd",
        "/.git/config",
        "/.git/",
        "/%2egit/config",
        "/%2e%2e/private/secret.txt",
        "/..%2fprivate/secret.txt",
        "/x/..%2f..%2fprivate/secret.txt",
        "/%5c..%5cprivate%5csecret.txt",
        "/.well-known/../.htpasswd",
        "/index.html/../.htpasswd",
        "/site/.htpasswd",
    ] {
        let page = shop.tree.get(path);
        assert_eq!(page.status, 404, "{path}: {}", page.body);
        assert!(!page.body.contains("secret of"), "{path}: {}", page.body);
    }
    host.still_serves();
}

#[test]
fn a_link_where_a_mount_goes() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let outside = host.path("outside");
    fs::create_dir(&outside).unwrap();
    let refused = says("links::a_link_where_a_mount_goes");
    let target = outside.to_str().unwrap();
    for (link, mount, target) in [
        ("data", "data", target),
        ("data", "data", "../.."),
        ("data", "data", "/app/.."),
        ("way", "way/data", target),
        ("data", "data", "data"),
    ] {
        symlink(target, shop.path(link)).unwrap();
        let config = format!("public = \".\"\n[mounts]\n\"{mount}\" = \"data\"\n");
        shop.tree.write("wharf.toml", &config);
        shop.failed().has(refused);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    host.still_serves();
}

#[test]
fn links_in_a_mount_that_is_served() {
    let host = Host::new();
    let shop = Shop::open(&host);
    fs::write(host.path("secret"), "secret of the host\n").unwrap();
    let secret = host.path("secret");
    let mounts = host.home().join("state");
    let script = format!(
        "cd site/files\necho mine >mine\necho hidden >.hidden\nln -sf {} host\n\
         ln -sf /etc/passwd passwd\nln -sfn / root\nln -sfn {} state\n\
         ln -sf ../../wharf.toml config\nln -sf .hidden shown\nmkfifo pipe || true\n",
        secret.display(),
        mounts.display()
    );
    shop.tree.write("links.sh", &script);
    shop.tree.write("site/index.html", "two\n");
    let config = "public = \"site\"\n[mounts]\n\"site/files\" = \"data\"\n\
        [deploy]\nrun = \"sh links.sh\"\n";
    shop.tree.write("wharf.toml", config);
    shop.live();
    assert_eq!(shop.tree.get("/files/mine").ok(), "mine\n");
    for name in [
        "host",
        "passwd",
        "root/etc/passwd",
        "state/lock",
        "config",
        "shown",
        ".hidden",
        "pipe",
        "../../wharf.toml",
    ] {
        let page = shop.tree.get(&format!("/files/{name}"));
        assert_eq!(page.status, 404, "{name}: {}", page.body);
    }
    host.still_serves();
}

/// Writes to what it once made, by each way that it kept.
const KEEPS: &str = r#"import os, subprocess, sys, time
page = os.open("index.html", os.O_RDWR)
here = os.open(".", os.O_RDONLY)
for what in ["link", "other/link"]:
    os.makedirs("other", exist_ok=True)
    os.link("index.html", what)
for place in [os.path.expanduser("~/kept"), "/tmp", "/dev/shm"]:
    try:
        os.link("index.html", place + "/link")
        print("A LINK STAYS in", place)
    except OSError as error:
        print("no link in", place, "-", error.strerror)
if os.fork() == 0:
    os.setsid()
    print("writes", flush=True)
    while True:
        os.pwrite(page, b"changed", 0)
        file = os.open("new", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here)
        os.close(file)
"#;

#[test]
fn a_slug_that_changes_later() {
    let host = Host::new();
    let shop = Shop::open(&host);
    shop.tree.write("keeps.py", KEEPS);
    let config = "public = \".\"\n[build]\ncache = [\"~/kept\"]\nsteps = [\"python3 keeps.py\"]\n\
        [deploy]\nrun = \"(echo later >>index.html) 2>&1; (ln index.html data/l) 2>&1; echo tried\"\n\
        [mounts]\ndata = \"data\"\n";
    shop.tree.write("wharf.toml", config);
    shop.live()
        .lacks("A LINK STAYS")
        .has(says("links::a_slug_that_changes_later"))
        .has("Read-only file system")
        .has("hard links became files of their own")
        .has("| tried");
    // What goes out is held against what was frozen, file by file.
    let words = ["slug", "export", "-o", "slug.tar"];
    shop.tree.wharf(&words).ok().has("written: ");
    let page = shop.tree.get("/").ok();
    assert!(["one\n", "changed"].contains(&page.as_str()), "{page}");
    assert_eq!(shop.tree.get("/").ok(), page);
    host.still_serves();
}
