//! Applications that mean harm: nothing of the host is reached through what Wharf does for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;

use wharf_tests::World;

use crate::app::{CONFIG, deployed};

#[test]
fn a_link_in_a_build_cache_leads_nowhere() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let outside = world.path("outside");
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
fn a_link_in_place_of_a_socket_leads_nowhere() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let neighbour = neighbour(&world);
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
        .has("nothing listens")
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
}

#[test]
fn a_link_in_place_of_the_public_directory_publishes_nothing() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let build = |target: &str| {
        let config = format!("public = \"out\"\nbuild = \"ln -s {target} out\"\n");
        shop.write("wharf.toml", &config);
        shop.commit("Link");
        shop.push(&["main"]).ok()
    };
    shop.write("pages/index.html", "pages\n");
    for target in ["/etc", "../../slugs", "/app/pages", "out"] {
        build(target)
            .has("public = \"out\" is no directory")
            .has("main still serves r1; nothing was changed.");
        assert_eq!(shop.get("/").ok(), "one\n");
    }
    // One that stays inside is as good as the directory.
    build("pages").has("main now serves");
    assert_eq!(shop.get("/").ok(), "pages\n");
}
