//! Services of environments: which there are, who looks after each, and what used its data last.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row};
use wharf_config::application::ServiceKind;
use wharf_config::name::ProcessName;

use super::environment::{EnvironmentKey, key};
use super::process::ProcessRecord;
use super::{Recorder, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

/// A service's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Whose.
    pub key: EnvironmentKey,
    /// What the application calls it.
    pub name: ProcessName,
    /// What it is.
    pub kind: ServiceKind,
    /// The version of the server that used its data last; none while none has.
    pub version: Option<String>,
    /// Names the keeper, its socket, its output; none while none runs.
    pub instance: Option<String>,
    /// What that was started with.
    pub settings: String,
}

impl ServiceRecord {
    /// Its process, where one runs, as that of the release that serves.
    pub fn process(&self, live: u32) -> Option<ProcessRecord> {
        Some(ProcessRecord {
            instance: self.instance.clone()?,
            key: self.key.clone(),
            release: live,
            name: self.name.to_string(),
            port: 0,
        })
    }
}

impl Recorder {
    /// Records a service as it is to be from now on.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_service(&self, record: ServiceRecord) -> Result<()> {
        self.write("service", move |connection| set(connection, &record))
            .await
    }

    /// The service of that name, where there ever was one.
    ///
    /// # Errors
    /// The database's.
    pub async fn service(
        &self,
        key: &EnvironmentKey,
        name: &ProcessName,
    ) -> Result<Option<ServiceRecord>> {
        let (key, name) = (key.clone(), name.clone());
        self.0
            .call(move |connection| find(connection, &key, &name))
            .await
    }

    /// All services that an environment ever had and whose data is there.
    ///
    /// # Errors
    /// The database's.
    pub async fn services_of(&self, key: &EnvironmentKey) -> Result<Vec<ServiceRecord>> {
        let key = key.clone();
        self.0.call(move |connection| of(connection, &key)).await
    }

    /// The loopback's port that leads to a service; where it has none, the first of `ports` that no other has. None
    /// where all are given away.
    ///
    /// # Errors
    /// The database's.
    pub async fn service_port(
        &self,
        key: &EnvironmentKey,
        name: &ProcessName,
        ports: Vec<u16>,
    ) -> Result<Option<u16>> {
        let (key, name) = (key.clone(), name.clone());
        self.write("service port", move |connection| {
            port(connection, &key, &name, &ports)
        })
        .await
    }

    /// Takes that port from a service again: the next time it is another.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_service_port(
        &self,
        key: &EnvironmentKey,
        name: &ProcessName,
    ) -> Result<()> {
        let (key, name) = (key.clone(), name.clone());
        self.write("service port", move |connection| {
            connection
                .prepare_cached(
                    "DELETE FROM service_port WHERE project = ?1 AND environment = ?2 AND name = ?3",
                )?
                .execute((key.project.as_str(), key.id.as_str(), name.as_str()))?;
            Ok(())
        })
        .await
    }

    /// Every service.
    ///
    /// # Errors
    /// The database's.
    pub async fn services(&self) -> Result<Vec<ServiceRecord>> {
        self.0.call(|connection| all(connection)).await
    }
}

fn set(connection: &Connection, record: &ServiceRecord) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO service (project, environment, name, kind, version, instance, settings)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET
                 kind = excluded.kind, version = excluded.version, instance = excluded.instance,
                 settings = excluded.settings",
        )?
        .execute((
            record.key.project.as_str(),
            record.key.id.as_str(),
            record.name.as_str(),
            record.kind.as_str(),
            record.version.as_deref().unwrap_or_default(),
            record.instance.as_deref().unwrap_or_default(),
            &record.settings,
        ))?;
    Ok(())
}

fn port(
    connection: &Connection,
    key: &EnvironmentKey,
    name: &ProcessName,
    ports: &[u16],
) -> Result<Option<u16>> {
    let names = (key.project.as_str(), key.id.as_str(), name.as_str());
    let mut statement = connection.prepare_cached(
        "SELECT port FROM service_port WHERE project = ?1 AND environment = ?2 AND name = ?3",
    )?;
    let found = statement.query_row(names, |row| row.get(0)).optional()?;
    if found.is_some() {
        return Ok(found);
    }
    let mut statement = connection.prepare_cached("SELECT port FROM service_port")?;
    let taken = statement.query_map([], |row| row.get(0))?;
    let taken: HashSet<u16> = taken.collect::<rusqlite::Result<_>>()?;
    let Some(free) = ports.iter().find(|port| !taken.contains(port)) else {
        return Ok(None);
    };
    connection
        .prepare_cached("INSERT INTO service_port VALUES (?1, ?2, ?3, ?4)")?
        .execute((free, names.0, names.1, names.2))?;
    Ok(Some(*free))
}

const COLUMNS: &str = "project, environment, name, kind, version, instance, settings";

/// None for what only a newer program can have written.
fn record(row: &Row<'_>) -> Result<Option<ServiceRecord>> {
    let text = |at| row.get::<_, String>(at);
    let (project, environment) = (text(0)?, text(1)?);
    let given = |text: String| (!text.is_empty()).then_some(text);
    let name = ProcessName::parse(&text(2)?).ok();
    let Some((name, kind)) = name.zip(ServiceKind::parse(&text(3)?)) else {
        return Ok(None);
    };
    Ok(Some(ServiceRecord {
        key: key(&project, &environment)?,
        name,
        kind,
        version: given(text(4)?),
        instance: given(text(5)?),
        settings: text(6)?,
    }))
}

fn find(
    connection: &Connection,
    key: &EnvironmentKey,
    name: &ProcessName,
) -> Result<Option<ServiceRecord>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM service WHERE project = ?1 AND environment = ?2 AND name = ?3"
    ))?;
    let names = (key.project.as_str(), key.id.as_str(), name.as_str());
    let row = statement.query_row(names, |row| Ok(record(row)));
    row.optional()?.map_or(Ok(None), |record| record)
}

fn of(connection: &Connection, key: &EnvironmentKey) -> Result<Vec<ServiceRecord>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM service WHERE project = ?1 AND environment = ?2 ORDER BY name"
    ))?;
    let names = (key.project.as_str(), key.id.as_str());
    let rows = statement.query_map(names, |row| Ok(record(row)))?;
    rows.filter_map(|row| row.map_err(StoreError::from).flatten().transpose())
        .collect()
}

fn all(connection: &Connection) -> Result<Vec<ServiceRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM service"))?;
    let rows = statement.query_map([], |row| Ok(record(row)))?;
    rows.filter_map(|row| row.map_err(StoreError::from).flatten().transpose())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrate::STEPS;

    #[test]
    fn a_service_is_recorded_as_it_is_to_be() {
        let connection = Connection::open_in_memory().unwrap();
        for step in STEPS {
            connection.execute_batch(step).unwrap();
        }
        let key = key("shop", "main").unwrap();
        let mut service = ServiceRecord {
            key: key.clone(),
            name: ProcessName::parse("database").unwrap(),
            kind: ServiceKind::Mariadb,
            version: None,
            instance: Some("main.s.database.1".into()),
            settings: "{}".into(),
        };
        set(&connection, &service).unwrap();
        assert_eq!(of(&connection, &key).unwrap(), [service.clone()]);
        service.version = Some("10.11.6".into());
        service.instance = None;
        set(&connection, &service).unwrap();
        let found = find(&connection, &key, &service.name).unwrap();
        assert_eq!(found, Some(service.clone()));
        assert_eq!(all(&connection).unwrap(), [service]);
    }

    #[test]
    fn a_port_is_one_service_s_and_stays_it() {
        let connection = Connection::open_in_memory().unwrap();
        for step in STEPS {
            connection.execute_batch(step).unwrap();
        }
        let key = key("shop", "main").unwrap();
        let of = |name: &str, ports: &[u16]| {
            port(&connection, &key, &ProcessName::parse(name).unwrap(), ports).unwrap()
        };
        assert_eq!(of("queue", &[30_001, 30_002]), Some(30_001));
        assert_eq!(of("search", &[30_001, 30_002]), Some(30_002));
        assert_eq!(of("queue", &[]), Some(30_001));
        assert_eq!(of("third", &[30_002]), None);
    }
}
