//! RabbitMQ: it knows no sockets, so a port is led to it. What waits in its queues outlives its restarts, and is in no
//! snapshot: who read an earlier state back would do all work again that was done since.

use super::{
    APP, APPLICATION, Command, DATABASE, Passwords, Recipe, Relationship, SERVE, SETUP, SETUP_TEXT,
    Setting, Start, socket_is_there, socket_of_port,
};

/// Its port, in its own network.
pub(super) const PORT: u16 = 5672;

pub(super) fn relationship(passwords: &Passwords) -> Relationship {
    Relationship {
        user: Some(APPLICATION.to_owned()),
        database: Some(DATABASE.to_owned()),
        ..Relationship::port("amqp", passwords, &format!("/{DATABASE}"))
    }
}

pub(super) fn recipe(setting: &Setting<'_>) -> Recipe {
    let variables = [
        ("RABBITMQ_CONFIG_FILE", SETUP),
        // None of the host's: it would be read as a script.
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null"),
        ("RABBITMQ_NODENAME", "rabbit@localhost"),
        ("RABBITMQ_MNESIA_BASE", APP),
        ("RABBITMQ_LOG_BASE", "/tmp"),
        ("RABBITMQ_LOGS", "-"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "/tmp/plugins"),
        ("RABBITMQ_PID_FILE", "/tmp/rabbitmq.pid"),
        ("ERL_EPMD_ADDRESS", "127.0.0.1"),
        ("ERL_CRASH_DUMP_SECONDS", "0"),
        // Its script becomes the server then, which ends well at a TERM, and waits for no shell.
        ("RUNNING_UNDER_SYSTEMD", "true"),
    ];
    let start = Command::new(SERVE, [setting.program()]).with(SETUP_TEXT, settings(setting));
    let start = variables
        .into_iter()
        .fold(start, |start, (name, value)| start.with(name, value));
    Recipe {
        make: None,
        start: Start::Server(start),
        // It listens once it has read what it holds.
        ready: Some(socket_is_there(&socket_of_port(setting.name))),
        upgrade: None,
        content: None,
    }
}

/// In the format of `rabbitmq.conf`. Its user and its virtual host are made with its data.
fn settings(setting: &Setting<'_>) -> String {
    let mut lines = vec![
        format!("listeners.tcp.default = 127.0.0.1:{PORT}"),
        format!("default_vhost = {DATABASE}"),
        format!("default_user = {APPLICATION}"),
        format!("default_pass = {}", setting.passwords.application),
        "log.file = false".to_owned(),
        "log.console = true".to_owned(),
        "log.console.level = warning".to_owned(),
    ];
    // Who publishes waits above that; a quarter is left for what it does then.
    let memory = setting.service.memory;
    lines.extend(
        memory.map(|bytes| format!("vm_memory_high_watermark.absolute = {}", bytes / 4 * 3)),
    );
    lines.join("\n")
}
