//! The server of applications that are there for their data: what it answers is what a function of theirs says.

/// `web.serve(answer)` answers each path with the text that `answer(path)` returns, or by 500 with `(text, False)`.
pub(crate) const WEB: (&str, &str) = (
    "web.py",
    r#"import http.server, os, signal, threading

def serve(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            said = answer(self.path)
            text, is_good = said if isinstance(said, tuple) else (said, True)
            body = text.encode()
            self.send_response(200 if is_good else 500)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *arguments): pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
"#,
);
