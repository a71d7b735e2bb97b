//! Services of the developer's own: their commands, with a socket to listen on and a password.

use wharf_config::application::Custom;
use wharf_config::name::ProcessName;

use super::{
    APP, Command, Content, Load, Passwords, Recipe, Relationship, Setting, Start, directory,
};

fn socket(name: &ProcessName) -> String {
    format!("{}/service.sock", directory(name))
}

pub(super) fn relationship(name: &ProcessName, passwords: &Passwords) -> Relationship {
    Relationship::socket("unix", socket(name), Some(&passwords.application))
}

pub(super) fn recipe(setting: &Setting<'_>) -> Recipe {
    let nothing = Custom::default();
    let custom = setting.service.custom.as_ref().unwrap_or(&nothing);
    let socket = socket(setting.name);
    let command = |text: &String| Command {
        text: text.clone(),
        ..Command::default()
            .with("SOCKET", &socket)
            .with("PASSWORD", &setting.passwords.application)
            .with("DATA", APP)
    };
    let content = custom.dump.as_ref().zip(custom.restore.as_ref());
    Recipe {
        make: None,
        start: Start::Server(command(&custom.start)),
        ready: custom.ready.as_ref().map(command),
        upgrade: None,
        content: content.map(|(dump, restore)| Content {
            dump: command(dump),
            load: Load::Files(command(restore)),
            shell: None,
            count: None,
        }),
    }
}
