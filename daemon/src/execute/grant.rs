//! Links that open an environment for a time: each environment has a key of its own for them.
//!
//! The key is recorded beside the environment's secrets, under a name that no variable can have, so
//! no application is ever given it. It goes when the environment is forgotten, and its links with it.

use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey};
use wharf_wire::grant::{self, Token, said};
use wharf_wire::route::Who;

use super::failure::Failure;
use super::route;
use super::world::World;
use crate::store::environment::EnvironmentKey;

/// No name of a variable has a colon.
const NAME: &str = "wharf:grant";

/// What became of the wish for a link.
#[derive(Debug)]
pub enum Link {
    /// It opens the environment.
    Url(String),
    /// Everybody may look anyway: the plain address.
    Public(String),
    /// There is nothing to open.
    NothingServes,
    /// No link opens it.
    Closed,
}

/// A link that opens an environment until a moment, in seconds since 1970-01-01 UTC.
///
/// # Errors
/// When the key cannot be read or recorded.
pub async fn link(world: &World, key: &EnvironmentKey, expires: u64) -> Result<Link, Failure> {
    // Whoever deletes the environment waits: its key must not be made again behind its back.
    let turn = world.routing.turn(&key.to_string());
    let _turn = turn.lock().await;
    let Some(route) = tokio::task::block_in_place(|| route::read(&world.paths, key)) else {
        return Ok(Link::NothingServes);
    };
    match route.access.who {
        Who::Everyone => return Ok(Link::Public(route.url)),
        Who::Networks(_) => return Ok(Link::Closed),
        Who::Machine | Who::Names(_) => {}
    }
    let said = said(key.project.as_str(), key.id.as_str(), expires);
    let signature = signing_key(world, key).await?.sign(said.as_bytes());
    let token = Token {
        expires,
        signature: signature.to_bytes(),
    };
    Ok(Link::Url(format!(
        "{}?{}={}",
        route.url,
        grant::NAME,
        token.text()
    )))
}

/// The key that an environment's links are checked with, as it stands in a route.
///
/// # Errors
/// When it cannot be read or recorded.
pub(super) async fn public_key(world: &World, key: &EnvironmentKey) -> Result<String, Failure> {
    let signing = signing_key(world, key).await?;
    Ok(BASE64.encode(signing.verifying_key().as_bytes()))
}

async fn signing_key(world: &World, key: &EnvironmentKey) -> Result<SigningKey, Failure> {
    let fresh: [u8; ed25519_dalek::SECRET_KEY_LENGTH] = rand::random();
    let fresh = BASE64.encode(&fresh);
    let recorded = world.recorder.secret(key, NAME, fresh).await?;
    let bytes = BASE64.decode(recorded.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let bytes = bytes
        .ok_or_else(|| Failure::new("host", format!("the key of the links of {key} is no key")))?;
    Ok(SigningKey::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use wharf_config::name::VariableName;

    #[test]
    fn no_variable_has_the_keys_name() {
        assert!(VariableName::parse(super::NAME).is_err());
    }
}
