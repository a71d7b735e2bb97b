//! `wharf config`: what was set in an environment, as a file to be committed; two environments
//! beside each other.

use wharf_config::application::committed::{self, Committed};
use wharf_config::name::VariableName;
use wharf_wire::FromDaemon;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::variable::{Difference, Level as AskedLevel, Side};
use wharf_wire::view::Item;

use super::super::Session;
use super::super::peer::Broken;
use super::set::Place;
use super::tree::refusal;
use super::variables::{State, seen_by, shown};
use crate::plan::rights::Act;
use crate::plan::variables::One;
use crate::plan::variables::listing::{Compared, Origin, Sight, compare, counted};
use crate::report;

/// Bytes of a file in one frame: as JSON each may take four.
const PART: usize = 12 * 1024;

impl Session {
    pub(super) async fn dump_config(&mut self, scope: &Scope) -> Result<(), Broken> {
        let (place, state) = self.known(scope).await?;
        let mut all = committed::All::new();
        let mut secrets: Vec<&VariableName> = Vec::new();
        for row in counted(&state.application, &state.set, &state.id, state.kind) {
            let value = match row.origin {
                Origin::Code(_) | Origin::Generated => continue,
                Origin::Set(variable) if variable.secret => {
                    secrets.push(row.name);
                    continue;
                }
                Origin::Set(variable) => variable.value.0.clone(),
                Origin::Committed(value) => value.to_owned(),
            };
            let visible = row.visible;
            // One name has one value there: what runs see comes last, and is what people mean.
            if all.contains_key(row.name) {
                self.say_two(row.name).await?;
            }
            all.insert(row.name.clone(), Committed { value, visible });
        }
        secrets.dedup();
        let text = committed::write(place.project.name.as_str(), state.id.as_str(), &all);
        let text = text.map_err(|bytes| {
            refusal(
                "config-too-large",
                format!("the file would have {bytes} bytes, more than are read"),
                "keep large values in files of the repository",
            )
        })?;
        for part in text.as_bytes().chunks(PART) {
            self.peer.send(&FromDaemon::Raw(part.to_vec())).await?;
        }
        if !secrets.is_empty() {
            let names: Vec<&str> = secrets.iter().map(|name| name.as_str()).collect();
            let text = format!("secrets stay where they are: {}", names.join(", "));
            self.peer.lines(report::remark(&text)).await?;
        }
        self.end(Exit::Ok).await
    }

    async fn say_two(&mut self, name: &VariableName) -> Result<(), Broken> {
        let text = format!("{name} differs between builds and runs; the file has what runs see");
        self.peer.lines(report::warning(&text)).await
    }

    pub(super) async fn diff_config(
        &mut self,
        scope: &Scope,
        first: &str,
        second: &str,
    ) -> Result<(), Broken> {
        let of = |name: &str| Scope {
            environment: Some(name.to_owned()),
            ..scope.clone()
        };
        let (_, first) = self.known(&of(first)).await?;
        let (_, second) = self.known(&of(second)).await?;
        let sight = |state: &State| Sight::of(&state.application, &state.given());
        let (first, second) = (sight(&first), sight(&second));
        let mut differs = false;
        for row in compare(&first, &second) {
            let difference = difference(&row);
            differs |= !difference.same;
            self.item(Item::Difference(difference)).await?;
        }
        self.end(match differs {
            true => Exit::Failed,
            false => Exit::Ok,
        })
        .await
    }

    /// An environment that is there, which they may see.
    async fn known(&self, scope: &Scope) -> Result<(Place, State), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::View, &record)?;
        let scope = Scope {
            project: Some(record.key.project.to_string()),
            repository: None,
            environment: Some(record.key.id.to_string()),
        };
        let place = self.place(&scope, AskedLevel::Environment).await?;
        let state = self.state(&place).await?;
        Ok((place, state))
    }
}

fn difference(row: &Compared<'_>) -> Difference {
    let side = |one: &One| Side {
        value: (!one.secret).then(|| shown(&one.value.0)),
        secret: one.secret,
    };
    Difference {
        name: row.name.to_string(),
        visible: seen_by(row.visible),
        first: row.first.map(side),
        second: row.second.map(side),
        same: row.first == row.second,
    }
}
