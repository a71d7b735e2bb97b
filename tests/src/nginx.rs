//! Smart HTTP as git's own manual sets it up: a real nginx that asks for a password, a real fcgiwrap,
//! and `git http-backend`.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{net::UnixListener, process::CommandExt as _},
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::io::{FdFlags, fcntl_setfd};

use crate::{Tree, World, programs, run, said};

/// A web server with people who have passwords, before all repositories of a world.
#[derive(Debug)]
pub struct Nginx<'world> {
    world: &'world World,
    address: SocketAddr,
    children: Vec<Child>,
}

impl<'world> Nginx<'world> {
    /// Starts both, where everybody's password is the person's name, backwards.
    pub fn start(world: &'world World, people: &[&str]) -> Nginx<'world> {
        let directory = world.path("nginx");
        fs::create_dir_all(&directory).expect("a directory can be made");
        let listed: String = people
            .iter()
            .map(|person| format!("{person}:{{PLAIN}}{}\n", password(person)))
            .collect();
        fs::write(directory.join("people"), listed).expect("a file can be written");
        let backend = run(world.command("git").arg("--exec-path")).ok().out;
        let backend = format!("{}/git-http-backend", backend.trim_end());
        // The ports are ours before the servers are, so that no other test can take them.
        let requests = UnixListener::bind(directory.join("cgi")).expect("a socket can be bound");
        let mut wrap = world.command(&programs::find("fcgiwrap").display().to_string());
        wrap.args(["-c", "4", "-p", &backend]);
        wrap.stdin(Stdio::from(OwnedFd::from(requests)));
        let visitors = TcpListener::bind("127.0.0.1:0").expect("a free port");
        visitors
            .set_nonblocking(true)
            .expect("a socket can be asked for that");
        let address = visitors.local_addr().expect("it is bound");
        let configuration = directory.join("nginx.conf");
        let text = configure(&directory, &world.path(""), address, &backend);
        fs::write(&configuration, text).expect("a file can be written");
        // It takes over the sockets that this variable names, as from an older one of itself.
        fcntl_setfd(&visitors, FdFlags::empty()).expect("a socket can be passed on");
        let mut nginx = world.command(&programs::find("nginx").display().to_string());
        nginx.env("NGINX", format!("{};", visitors.as_raw_fd()));
        nginx
            .arg("-p")
            .arg(&directory)
            .arg("-c")
            .arg(&configuration);
        nginx.arg("-e").arg(directory.join("errors"));
        Nginx {
            world,
            address,
            children: vec![started(wrap), started(nginx)],
        }
    }

    /// Makes a work tree a person's: its remote `wharf` is an http URL, with the password in it.
    pub fn give(&self, person: &str, tree: &Tree<'_>, repository: &Path) {
        self.give_with(person, &password(person), tree, repository);
    }

    /// The same with any password.
    pub fn give_with(&self, person: &str, password: &str, tree: &Tree<'_>, repository: &Path) {
        let inside = repository.strip_prefix(self.world.path(""));
        let inside = inside.expect("it is the world's").display();
        let url = format!("http://{person}:{password}@{}/{inside}", self.address);
        tree.git(&["remote", "set-url", "wharf", &url]).ok();
    }
}

impl Drop for Nginx<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            said::kill(child);
            if let Err(error) = child.wait() {
                eprintln!("a web server cannot be waited for: {error}");
            }
        }
        if thread::panicking() {
            let errors = fs::read_to_string(self.world.path("nginx/errors"));
            eprintln!("--- nginx\n{}", errors.unwrap_or_default());
        }
    }
}

fn password(person: &str) -> String {
    person.chars().rev().collect()
}

/// In a group of its own, which ends as a whole.
fn started(mut command: Command) -> Child {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a web server can be run")
}

fn configure(directory: &Path, root: &Path, address: SocketAddr, backend: &str) -> String {
    let (at, root) = (directory.display(), root.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("    {what}_temp_path {at}/{what};\n"))
        .collect();
    // Its workers give themselves away otherwise, and fcgiwrap's socket is whoever runs the test's.
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;\n",
        false => "",
    };
    // The location is as docs/git-hosts.md has it.
    format!(
        "{user}daemon off;\npid {at}/pid;\nevents {{}}\nhttp {{\n{temporary}    \
         access_log off;\n    server {{\n        listen {address};\n        location / {{\n            \
         auth_basic \"git\";\n            auth_basic_user_file {at}/people;\n            \
         client_max_body_size 0;\n            include /etc/nginx/fastcgi_params;\n            \
         fastcgi_param SCRIPT_FILENAME {backend};\n            \
         fastcgi_param GIT_PROJECT_ROOT {root};\n            \
         fastcgi_param GIT_HTTP_EXPORT_ALL \"\";\n            \
         fastcgi_param PATH_INFO $uri;\n            \
         fastcgi_param REMOTE_USER $remote_user;\n            \
         fastcgi_buffering off;\n            fastcgi_read_timeout 1h;\n            \
         fastcgi_pass unix:{at}/cgi;\n        }}\n    }}\n}}\n"
    )
}
