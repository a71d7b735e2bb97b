//! Services of the developer's own: their commands, with a socket to listen on and a password.

use wharf_config::application::Custom;
use wharf_config::name::ProcessName;

use super::{
    APP, Command, Content, Load, Passwords, Recipe, Relationship, Setting, Start, directory,
    socket_is_there, socket_of_port,
};

fn socket(name: &ProcessName) -> String {
    format!("{}/service.sock", directory(name))
}

pub(super) fn relationship(name: &ProcessName, passwords: &Passwords) -> Relationship {
    match passwords.port {
        Some(_) => Relationship::port("tcp", passwords, ""),
        None => Relationship::socket("unix", socket(name), Some(&passwords.application)),
    }
}

pub(super) fn recipe(setting: &Setting<'_>) -> Recipe {
    let nothing = Custom::default();
    let custom = setting.service.custom.as_ref().unwrap_or(&nothing);
    let socket = match custom.port {
        Some(_) => socket_of_port(setting.name),
        None => socket(setting.name),
    };
    let mut given = Command::default()
        .with("SOCKET", &socket)
        .with("PASSWORD", &setting.passwords.application)
        .with("DATA", APP);
    if let Some(port) = custom.port {
        given = given.with("PORT", port.to_string());
    }
    let command = |text: &String| Command {
        text: text.clone(),
        ..given.clone()
    };
    let listens = custom.port.map(|_| socket_is_there(&socket));
    let content = custom.dump.as_ref().zip(custom.restore.as_ref());
    Recipe {
        make: None,
        start: Start::Server(command(&custom.start)),
        ready: custom.ready.as_ref().map(command).or(listens),
        upgrade: None,
        content: content.map(|(dump, restore)| Content {
            dump: command(dump),
            load: Load::Files(command(restore)),
            shell: None,
            count: None,
        }),
    }
}
