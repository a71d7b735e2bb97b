//! What goes in and out of mounts: whole or not at all, and nothing of it leads anywhere else.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wharf_tests::{Tree, World, pause};
use wharf_wire::{
    outcome::{Kind, State},
    view::Activity,
};

const CONFIG: &str = "public = \"out\"\nbuild = \"mkdir -p out etc; touch etc/env; cp page out\"\n\
    [mounts]\nvar = \"private\"\n\"pub/media\" = { kind = \"data\", quota = \"3M\" }\n\
    \"etc/env\" = \"private\"\n";

fn deployed(world: &World) -> Tree<'_> {
    let shop = world.site("shop", &[("wharf.toml", CONFIG), ("page", "one\n")]);
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1.");
    shop
}

/// Where the environment's mounts are on the disk.
fn mounts(world: &World) -> PathBuf {
    world.home().join("state/mounts/shop/main")
}

/// One of them.
fn mount(world: &World, begins: &str) -> PathBuf {
    let entries = fs::read_dir(mounts(world)).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(begins)
        })
        .unwrap()
}

/// What is at each path below a directory: a file's mode and content, or where a link leads.
fn listing(top: &Path) -> BTreeMap<PathBuf, String> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![top.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let what = path.symlink_metadata().unwrap();
            let said = if what.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if what.is_dir() {
                waiting.push(path.clone());
                "directory".to_owned()
            } else {
                let mode = what.permissions().mode() & 0o777;
                format!("{mode:o} {}", fs::read_to_string(&path).unwrap())
            };
            found.insert(path.strip_prefix(top).unwrap().to_owned(), said);
        }
    }
    found
}

/// A directory of a developer's, with all that travels.
fn files(shop: &Tree<'_>) -> PathBuf {
    let top = shop.path().join("files");
    fs::create_dir_all(top.join("deep/er/empty")).unwrap();
    for number in 0..3_000 {
        fs::write(top.join(format!("deep/{number}")), "").unwrap();
    }
    fs::write(
        top.join("a name \u{fc}\u{f6} \u{65e5}\u{672c}"),
        "content\n",
    )
    .unwrap();
    fs::write(top.join("deep/er").join("n".repeat(200)), "long").unwrap();
    fs::write(top.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(top.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("deep/er", top.join("link")).unwrap();
    symlink("../../run", top.join("deep/er/up")).unwrap();
    top
}

fn newest(world: &World) -> Activity {
    world.activities(Some("shop"), 1).unwrap().remove(0)
}

/// The newest activity, once it has ended.
fn ended(world: &World) -> Activity {
    loop {
        let newest = newest(world);
        if newest.state.is_end() {
            return newest;
        }
        pause();
    }
}

#[test]
fn a_directory_goes_there_and_comes_back_as_it_was() {
    let world = World::new();
    let shop = deployed(&world);
    let top = files(&shop);
    shop.wharf(&["mount", "upload", "files", "var", "-n"])
        .ok()
        .has("+ var/deep/er/up")
        .has("3005 files added, 0 replaced, 0 removed");
    assert_eq!(newest(&world).kind, Kind::Push);
    assert_eq!(listing(&mount(&world, "var")).len(), 0);
    shop.wharf(&["mount", "upload", "files", "var"])
        .ok()
        .has("var of main: 3005 files added, 0 replaced, 0 removed");
    assert_eq!(listing(&mount(&world, "var")), listing(&top));
    let upload = newest(&world);
    assert_eq!(
        (upload.kind, upload.state),
        (Kind::Upload, State::Succeeded)
    );
    assert_eq!(upload.commit.subject, "into var");
    shop.wharf(&["log"]).ok().has("main now serves r1");
    shop.wharf(&["log", &upload.id])
        .ok()
        .has("3005 files added");
    // What runs there sees it, and it is its own.
    shop.wharf(&[
        "run",
        "--",
        "sh",
        "-c",
        "cat var/link/../../run; echo x >var/run; rm -r var/link/empty",
    ])
    .ok()
    .has("#!/bin/sh");
    fs::write(top.join("run"), "x\n").unwrap();
    fs::remove_dir(top.join("deep/er/empty")).unwrap();
    shop.wharf(&["mount", "download", "var"])
        .ok()
        .has("3005 files")
        .has("written: ");
    assert_eq!(listing(&shop.path().join("var")), listing(&top));
    assert_eq!(newest(&world).kind, Kind::Download);
    // Never over something that is there.
    shop.wharf(&["mount", "download", "var"])
        .exits(1)
        .has("var is there already");
    // A link that stays in the mount leads out of what is below it.
    shop.wharf(&["mount", "download", "var/deep/er", "other"])
        .ok()
        .has("left out: up: the link leads out");
    let mut inner = listing(&top.join("deep/er"));
    inner.remove(Path::new("up"));
    assert_eq!(listing(&shop.path().join("other")), inner);
    shop.wharf(&["mount", "download", "var/run", "-o", "run.tar"])
        .ok();
    shop.sh("tar tf run.tar; wharf mount download var -o - | tar tf - | head -n 1")
        .ok()
        .has("run\n.\n");

    // Others stay, unless they are to go.
    fs::remove_file(top.join("deep/7")).unwrap();
    fs::write(top.join("run"), "new\n").unwrap();
    shop.wharf(&["mount", "upload", "files", "var"])
        .ok()
        .has("0 files added, 3004 replaced, 0 removed");
    assert!(mount(&world, "var").join("deep/7").exists());
    shop.wharf(&["mount", "upload", "files", "var", "--delete", "-n"])
        .ok()
        .has("- var/deep/7\n");
    shop.wharf(&["mount", "upload", "files", "var", "--delete"])
        .ok()
        .has("3004 replaced, 1 removed");
    assert_eq!(listing(&mount(&world, "var")), listing(&top));
    // What tar writes, below a path that is not there yet.
    shop.sh("tar -C files/deep/er -cf - . | wharf mount upload - var/some/where --json >said")
        .ok();
    assert_eq!(
        listing(&mount(&world, "var").join("some/where")),
        listing(&top.join("deep/er"))
    );
    let said = fs::read_to_string(shop.path().join("said")).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["activities"][0]["kind"], "upload");
    assert_eq!(fs::read_dir(mounts(&world)).unwrap().count(), 3);
}

#[test]
fn files_have_their_places_and_sizes_are_told() {
    let world = World::new();
    let shop = deployed(&world);
    shop.wharf(&["mount", "list"])
        .ok()
        .has("pub/media")
        .has("3.0 MB")
        .has("file");
    shop.write("logo", "logo\n");
    shop.wharf(&["mount", "upload", "logo", "pub/media"]).ok();
    shop.wharf(&["mount", "upload", "logo", "pub/media/other"])
        .ok();
    shop.wharf(&["run", "cat", "pub/media/logo", "pub/media/other"])
        .ok()
        .has("logo\nlogo\n");
    // A mount that is one file.
    shop.wharf(&["mount", "upload", "logo", "etc/env"])
        .ok()
        .has("wharf redeploy -e main");
    shop.wharf(&["mount", "download", "etc/env"]).ok();
    assert_eq!(
        fs::read_to_string(shop.path().join("env")).unwrap(),
        "logo\n"
    );
    shop.wharf(&["redeploy"]).ok();
    shop.wharf(&["run", "cat", "etc/env"]).ok().has("logo");
    shop.sh("mkdir -p some && wharf mount upload some etc/env")
        .exits(6)
        .has("is a file there");

    let said = shop.wharf(&["mount", "size", "--json"]).ok();
    let sizes: Value = serde_json::from_str(&said.out).unwrap();
    let media = sizes
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["path"] == "pub/media");
    let media = media.unwrap();
    assert_eq!(
        (&media["used"]["files"], &media["quota"]),
        (&2.into(), &3_000_000.into())
    );
    assert_eq!(media["kind"], "data");
    shop.wharf(&["mount", "size", "pub/media/logo"])
        .ok()
        .has("pub/media/logo");
    for (words, code, why) in [
        (&["mount", "size", "pub"][..], 5, "pub is in no mount"),
        (&["mount", "size", "var/none"], 5, "var/none is not there"),
        (
            &["mount", "download", "../var"],
            5,
            "it has these mounts: etc/env, pub/media, var",
        ),
        (&["mount", "upload", "none", "var"], 1, "cannot read"),
        (
            &["mount", "upload", "logo", "var", "--delete"],
            6,
            "--delete is for directories",
        ),
    ] {
        shop.wharf(words).exits(code).has(why);
    }
    // More than the quota: nothing of it comes.
    let before = listing(&mount(&world, "pub"));
    fs::create_dir(shop.path().join("large")).unwrap();
    for name in ["1", "2"] {
        fs::write(shop.path().join("large").join(name), vec![b'x'; 1_400_000]).unwrap();
    }
    shop.wharf(&["mount", "upload", "large", "pub/media"]).ok();
    shop.wharf(&["mount", "upload", "large", "pub/media/again"])
        .exits(6)
        .has("pub/media would hold 5.6 MB, and its quota is 3.0 MB")
        .has("wharf mount size");
    fs::write(shop.path().join("large/3"), vec![b'x'; 1_400_000]).unwrap();
    shop.wharf(&["mount", "upload", "large", "pub/media"])
        .exits(6)
        .has("more is uploaded than the 3.0 MB that may come");
    assert_eq!(newest(&world).state, State::Failed);
    assert_eq!(listing(&mount(&world, "pub")).len(), before.len() + 2);
    shop.wharf(&["mount", "size", "pub/media"]).ok().has("93 %");
}

#[test]
fn what_leads_out_neither_comes_nor_goes() {
    let world = World::new();
    let shop = deployed(&world);
    let outside = shop.path().join("outside");
    fs::write(&outside, "outside\n").unwrap();
    fs::create_dir(shop.path().join("bad")).unwrap();
    symlink("/etc/passwd", shop.path().join("bad/far")).unwrap();
    symlink("../x", shop.path().join("bad/up")).unwrap();
    shop.sh("mkfifo bad/pipe && wharf mount upload bad var")
        .ok()
        .has("bad/far: the link leads out")
        .has("bad/up: the link leads out")
        .has("bad/pipe: it is a socket, a pipe")
        .has("0 files added");
    // What tar sends all the same is refused.
    for (made, why) in [
        ("tar -C bad -cf - far", "far is a link that leads out"),
        ("tar -C bad -cf - pipe", "pipe is a named pipe"),
        ("tar -P -cf - ../shop/outside", "leads out of the mount"),
        ("tar -P -cf - \"$PWD/outside\"", "has a path from the root"),
        (
            "ln -f outside again; tar -cf - outside again",
            "is a hard link",
        ),
        (
            "head -c 3000 /dev/zero | tr '\\0' x",
            "this is no tar archive",
        ),
        ("tar -cf - outside | head -c 512", "ends too early"),
        ("tar -cf - outside | head -c 1024", "ends too early"),
    ] {
        shop.sh(&format!("{{ {made}; }} | wharf mount upload - var"))
            .exits(6)
            .has(why);
    }
    // Links that the application made are not followed.
    shop.wharf(&[
        "run",
        "sh",
        "-c",
        "ln -s /app/page var/page; ln -s /etc var/etc; ln -s . var/in",
    ])
    .ok();
    shop.wharf(&["mount", "upload", "outside", "var/etc/x"])
        .exits(6)
        .has("lies behind a link");
    shop.wharf(&["mount", "download", "var/etc"])
        .exits(6)
        .has("is a link");
    shop.wharf(&["mount", "download", "var"])
        .ok()
        .has("left out: etc: the link leads out")
        .has("left out: page: the link leads out");
    assert_eq!(listing(&shop.path().join("var")).len(), 1);
    assert!(!Path::new("/etc/x").exists());
    assert_eq!(fs::read_dir(mounts(&world)).unwrap().count(), 3);
}

/// Begins to send an archive, and leaves the rest to the caller.
fn begin(shop: &Tree<'_>, first: &[u8]) -> Child {
    let mut upload = shop.command("wharf");
    upload
        .args(["mount", "upload", "-", "var"])
        .stdin(Stdio::piped());
    upload.stdout(Stdio::null()).stderr(Stdio::null());
    let mut upload = upload.spawn().unwrap();
    upload.stdin.as_mut().unwrap().write_all(first).unwrap();
    upload
}

#[test]
fn whoever_dies_in_the_middle_leaves_whole_files() {
    let world = World::new();
    let shop = deployed(&world);
    let old = "old\n".repeat(1000);
    let new = "new\n".repeat(1000);
    for name in ["1", "2", "3"] {
        shop.write(&format!("old/{name}"), &old);
        shop.write(&format!("new/{name}"), &new);
    }
    shop.wharf(&["mount", "upload", "old", "var"]).ok();
    let archive = shop.path().join("new.tar");
    shop.sh("tar -C new -cf new.tar .").ok();
    let whole = fs::read(&archive).unwrap();
    let state = || {
        let texts = ["1", "2", "3"]
            .map(|name| fs::read_to_string(mount(&world, "var").join(name)).unwrap());
        texts.map(|text| match text {
            text if text == old => 'o',
            text if text == new => 'n',
            _ => '?',
        })
    };
    // The daemon.
    for (point, first, then) in [
        ("upload: begun", &whole[..2048], "ooo"),
        ("upload: whole", &whole[..], "ooo"),
        ("upload: merging", &whole[..], "ooo"),
        ("upload: file", &whole[..], "noo"),
        ("upload: merged", &whole[..], "nnn"),
    ] {
        println!("{point}");
        shop.wharf(&["mount", "upload", "old", "var"]).ok();
        world.freeze_at(point);
        let mut upload = begin(&shop, first);
        drop(upload.stdin.take());
        world.wait_until_frozen();
        world.kill_daemon();
        assert_eq!(upload.wait().unwrap().code(), Some(4), "{point}");
        world.start();
        assert_eq!(String::from_iter(state()), then, "{point}");
        assert_eq!(fs::read_dir(mounts(&world)).unwrap().count(), 3, "{point}");
        let upload = ended(&world);
        assert_eq!(
            (upload.kind, upload.state),
            (Kind::Upload, State::Cancelled)
        );
        assert_eq!(upload.reason.unwrap().code, "upload-interrupted");
    }
    // Whoever sends it.
    shop.wharf(&["mount", "upload", "old", "var"]).ok();
    world.forget_trace();
    let mut upload = begin(&shop, &whole[..2048]);
    world.wait_for_point("upload: begun");
    kill_process(Pid::from_child(&upload), Signal::INT).unwrap();
    upload.wait().unwrap();
    let upload = ended(&world);
    assert_eq!(upload.kind, Kind::Upload);
    assert_ne!(upload.state, State::Succeeded);
    assert_eq!(String::from_iter(state()), "ooo");
    // Somebody else.
    let mut upload = begin(&shop, &whole[..2048]);
    let id = loop {
        let newest = newest(&world);
        if newest.state == State::Running {
            break newest.id;
        }
        pause();
    };
    shop.wharf(&["cancel", &id]).ok();
    assert_eq!(upload.wait().unwrap().code(), Some(6));
    assert_eq!(ended(&world).state, State::Cancelled);
    assert_eq!(fs::read_dir(mounts(&world)).unwrap().count(), 3);

    // Whoever takes what is there.
    let before = fs::read_dir(shop.path()).unwrap().count();
    world.freeze_at("download: begun");
    let mut download = shop.command("wharf");
    download
        .args(["mount", "download", "var"])
        .stderr(Stdio::null());
    let mut child = download.spawn().unwrap();
    world.wait_until_frozen();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(fs::read_dir(shop.path()).unwrap().count(), before);
    let mut child = download.spawn();
    world.kill_daemon();
    if let Ok(child) = &mut child {
        assert_eq!(child.wait().unwrap().code(), Some(4));
    }
    assert_eq!(fs::read_dir(shop.path()).unwrap().count(), before);
    world.start();
    assert_eq!(ended(&world).state, State::Cancelled);
    shop.wharf(&["mount", "download", "var"]).ok();
}

#[test]
fn whoever_takes_an_environment_down_ends_what_comes() {
    let world = World::new();
    let shop = deployed(&world);
    shop.push(&["main:side"]).ok();
    shop.write("new/1", "x");
    shop.sh("tar -C new -cf new.tar .").ok();
    let whole = fs::read(shop.path().join("new.tar")).unwrap();
    world.forget_trace();
    let mut upload = shop.command("wharf");
    upload.args(["mount", "upload", "-", "var", "-e", "side"]);
    upload.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut upload = upload.spawn().unwrap();
    upload
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&whole[..600])
        .unwrap();
    world.wait_for_point("upload: begun");
    shop.push(&["--delete", "side"]).ok();
    assert_eq!(upload.wait().unwrap().code(), Some(6));
    shop.wharf(&["mount", "list", "-e", "side"]).exits(5);
}
