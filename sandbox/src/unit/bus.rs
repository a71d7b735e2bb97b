//! What systemd is called on the system's bus, and what is listened for there. See
//! org.freedesktop.systemd1(5).

/// Its name.
pub const NAME: &str = "org.freedesktop.systemd1";
/// Where its manager is.
pub const PATH: &str = "/org/freedesktop/systemd1";
/// Where units are.
pub(super) const UNITS: &str = "/org/freedesktop/systemd1/unit/";
/// What the manager can be asked for.
pub const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// What each unit has.
pub const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// What each service has.
pub const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// A unit's state changes.
pub const CHANGED: &str = "type='signal',sender='org.freedesktop.systemd1',\
    interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',\
    path_namespace='/org/freedesktop/systemd1/unit',arg0='org.freedesktop.systemd1.Unit'";
/// Something that was asked for is done, such as a start.
pub const DONE: &str = "type='signal',sender='org.freedesktop.systemd1',\
    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
/// A unit is gone.
pub const REMOVED: &str = "type='signal',sender='org.freedesktop.systemd1',\
    interface='org.freedesktop.systemd1.Manager',member='UnitRemoved'";

/// The properties that take a unit's standard streams.
pub const STREAMS: [&str; 3] = [
    "StandardInputFileDescriptor",
    "StandardOutputFileDescriptor",
    "StandardErrorFileDescriptor",
];
