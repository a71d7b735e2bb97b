//! Node as people use it.

use wharf_tests::World;

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";

/// A server of several processes, which asks the system what servers ask.
const CLUSTER: &str = r#"const cluster = require("node:cluster"), os = require("node:os");
if (cluster.isPrimary) {
  cluster.fork(); cluster.fork();
} else {
  const { Worker } = require("node:worker_threads");
  const { execFileSync } = require("node:child_process");
  const sum = "require('node:worker_threads').parentPort.postMessage(1 + 1)";
  require("node:http").createServer((request, response) => {
    new Worker(sum, { eval: true }).on("message", (two) => {
      const echo = execFileSync("echo", ["hello"]).toString().trim();
      const lo = Object.keys(os.networkInterfaces()).includes("lo");
      const answer = [require("greeting"), echo, two, os.cpus().length > 0, lo, os.totalmem() > 0];
      response.end(answer.join(" ") + "\n");
    });
  }).listen(process.env.PORT, "127.0.0.1");
}
"#;

#[test]
fn node_with_npm_and_a_cluster_runs_unchanged() {
    npm_and_a_cluster(&World::unprivileged(HOST));
}

/// The same in whichever sandbox the world has.
pub(crate) fn npm_and_a_cluster(world: &World) {
    let package = r#"{ "name": "shop", "version": "1.0.0",
        "dependencies": { "greeting": "file:./greeting" },
        "scripts": { "start": "node server.js", "postinstall": "node -e 'os.cpus()'" } }"#;
    let greeting = r#"{ "name": "greeting", "version": "1.0.0" }"#;
    let shop = world.site(
        "shop",
        &[
            ("package.json", package),
            ("greeting/package.json", greeting),
            ("greeting/index.js", "module.exports = 'good day';\n"),
            ("server.js", CLUSTER),
        ],
    );
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1");
    assert_eq!(shop.get("/").ok(), "good day hello 2 true true true\n");
}
