//! From the push's first byte to the new version being live.

use std::{fs, path::PathBuf, time::Duration};

use crate::{
    in_turn,
    table::{Peer, Table},
    world::World,
};

const ROUNDS: usize = 15;

pub(crate) const SERVER: &str = "\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'ok\\n')
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

pub(crate) fn measure(world: &World) -> Table {
    let plain = world.work_tree("live-plain", &[("index.html", "one\n")]);
    let bare = world.directory("live-plain.git");
    world.run(&bare, "git init --quiet --bare --initial-branch=main");
    world.run(&plain, &format!("git remote add wharf {}", bare.display()));

    let site = project(world, "live-static", &[("index.html", "one\n")]);
    let server = project(
        world,
        "live-server",
        &[("app.py", SERVER), ("Procfile", "web: python3 app.py\n")],
    );
    let mut peers = [
        peer(
            "git alone, no hooks",
            world,
            plain.clone(),
            "--allow-empty",
            None,
        ),
        peer(
            "static site, tree unchanged",
            world,
            site.clone(),
            "--allow-empty",
            None,
        ),
        peer(
            "static site, a file changed",
            world,
            site,
            "--all",
            Some("index.html"),
        ),
        peer(
            "python server, tree unchanged",
            world,
            server.clone(),
            "--allow-empty",
            None,
        ),
        peer(
            "python server, a file changed",
            world,
            server,
            "--all",
            Some("Procfile"),
        ),
    ];
    in_turn(ROUNDS, &mut peers).titled(
        "Push to live",
        "The whole `git push`, until its last line says that the new release serves.",
        "git alone, no hooks",
    )
}

/// A project whose first version is live.
pub(crate) fn project(world: &World, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let tree = world.work_tree(name, files);
    world.run(&tree, "wharf init");
    world.run(&tree, "git push --quiet wharf main");
    tree
}

fn peer<'a>(
    name: &'static str,
    world: &'a World,
    tree: PathBuf,
    which: &'static str,
    changed: Option<&'static str>,
) -> Peer<'a> {
    let run = move |round: usize| -> Duration {
        if let Some(file) = changed {
            let mut text = fs::read_to_string(tree.join(file)).unwrap();
            text.push_str(&format!("# {round}\n"));
            fs::write(tree.join(file), text).unwrap();
        }
        world.run(
            &tree,
            &format!("git commit --quiet {which} --message=round-{round}"),
        );
        world.run(&tree, "git push --quiet wharf main")
    };
    Peer {
        name,
        run: Box::new(run),
    }
}
