//! A small application that says its version.

use wharf_tests::{Tree, World};

/// The configuration of [`SERVER`].
pub(crate) const CONFIG: (&str, &str) = (
    "wharf.toml",
    "web = \"exec python3 app.py\"\n\n[deploy]\nhealth = { path = \"/\", within = \"10s\" }\n",
);

/// A server that answers with the text of `version`, and ends its requests at SIGTERM.
pub(crate) const SERVER: (&str, &str) = (
    "app.py",
    r#"import http.server, os, signal, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = open("version", "rb").read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"#,
);

/// A work tree of the application, deployed once.
pub(crate) fn deployed<'world>(world: &'world World, name: &str) -> Tree<'world> {
    let tree = world.site(name, &[CONFIG, SERVER, ("version", "one\n")]);
    tree.init();
    tree.push(&["main"]).ok().has("main now serves r1.");
    assert_eq!(tree.get("/").ok(), "one\n");
    tree
}

/// The host name of the application's first environment.
pub(crate) fn host(project: &str) -> String {
    format!("main--{project}.localhost")
}
