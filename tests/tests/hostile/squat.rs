//! A neighbour that is quicker to listen than those whose port it is.

/// Listens on each port that it is asked for, and answers there for whoever that port was meant.
pub(crate) const SQUATS: &str = r#"import http.server, os, threading

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/take/"):
            take(int(self.path[6:]))
        self.send_response(200)
        self.send_header("content-length", "7")
        self.end_headers()
        self.wfile.write(b"stolen\n")

    def log_message(self, *args):
        pass

def take(port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

take(int(os.environ["PORT"]))
threading.Event().wait()
"#;

/// A script that has the squatter of this host name take its own port.
pub(crate) fn takes(router: u16, squatter: &str) -> String {
    format!(
        "import os, urllib.request\n\
         ask = urllib.request.Request(f\"http://127.0.0.1:{router}/take/{{os.environ['PORT']}}\")\n\
         ask.add_header(\"Host\", \"{squatter}\")\nurllib.request.urlopen(ask)\n"
    )
}
