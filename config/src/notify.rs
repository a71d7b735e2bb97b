//! Who is told of what happened: webhooks and mail, as the operator wrote them.

use std::{collections::BTreeSet, fmt, path::PathBuf};

use crate::{
    name::BranchName,
    project::{BranchPattern, Kind},
};

pub(crate) mod read;

/// A destination of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// What people call it; once in a file.
    pub name: String,
    /// Where to.
    pub to: To,
    /// What it is told of.
    pub on: BTreeSet<Occasion>,
    /// The environments' types that it is told of; none: every type.
    pub types: Option<BTreeSet<Kind>>,
    /// The branches that it is told of; none: every branch.
    pub branches: Option<Vec<BranchPattern>>,
}

impl Notify {
    /// Whether it wants to know of something that happened on a branch.
    pub fn wants(&self, occasion: Occasion, branch: &BranchName, kind: Option<Kind>) -> bool {
        let is_type = |types: &BTreeSet<Kind>| kind.is_some_and(|kind| types.contains(&kind));
        self.on.contains(&occasion)
            && self.types.as_ref().is_none_or(is_type)
            && self
                .branches
                .as_ref()
                .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.fits(branch)))
    }

    /// Where it leads, as it may be shown: an address may be a secret itself.
    pub fn shown(&self) -> String {
        match &self.to {
            To::Webhook { url, .. } => format!("webhook at {}", url.origin()),
            To::Email(people) => format!("email to {}", people.join(", ")),
        }
    }
}

/// Where a notification goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A POST of JSON.
    Webhook {
        /// Where to.
        url: WebhookUrl,
        /// What it is signed with; none: it is not signed.
        secret: Option<SecretFrom>,
    },
    /// Mail to these addresses.
    Email(Vec<String>),
}

/// What somebody may want to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// A release went live.
    Live,
    /// An activity failed; the old release serves.
    Failed,
    /// A release went live where the deployment before had failed.
    Recovered,
    /// An earlier release serves again.
    RolledBack,
    /// A deployment is built and waits for approval.
    Waiting,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 5] = [
        Self::Live,
        Self::Failed,
        Self::Recovered,
        Self::RolledBack,
        Self::Waiting,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::RolledBack => "rolled-back",
            Self::Waiting => "waiting",
        }
    }
}

/// Where a webhook goes. Whoever knows a path may post there, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    text: String,
    origin: String,
}

impl WebhookUrl {
    /// The longest that is sent to.
    const MAX: usize = 2048;

    /// Reads an address.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const SCHEME: &str = "must be an address that begins with https:// or http://";
        if text.len() > Self::MAX {
            return Err("must have at most 2048 characters");
        }
        let uri: http::Uri = text.parse().map_err(|_| SCHEME)?;
        let (Some("https" | "http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(SCHEME);
        };
        if authority.as_str().contains('@') {
            return Err("must have no user and no password: they are not sent");
        }
        if authority.host().is_empty() {
            return Err("must name a host");
        }
        if text.contains('#') {
            return Err("must have no fragment");
        }
        Ok(Self {
            origin: format!("{}://{authority}", uri.scheme_str().unwrap_or_default()),
            text: text.to_owned(),
        })
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port: what may be shown.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/...", self.origin)
    }
}

/// Where a webhook's secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// In the configuration itself.
    Here(Secret),
    /// In a file, which is read when it is needed.
    File(PathBuf),
}

/// A key that webhooks are signed with; it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The shortest and the longest that Standard Webhooks lets be, in bytes.
    const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

    /// Reads a secret as Standard Webhooks writes it: `whsec_` and Base64.
    ///
    /// # Errors
    /// Why it is none; the text is not in it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let encoded = text.strip_prefix("whsec_");
        let encoded = encoded.ok_or("must begin with whsec_")?;
        let bytes = data_encoding::BASE64.decode(encoded.as_bytes());
        let bytes = bytes.map_err(|_| "must be Base64 behind whsec_")?;
        match Self::BYTES.contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err("must stand for 24 to 64 bytes"),
        }
    }

    /// The key itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How mail leaves the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The program that takes it.
    pub sendmail: PathBuf,
    /// Whom it comes from; none: `wharf` at the host's own name.
    pub from: Option<String>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            sendmail: PathBuf::from("/usr/sbin/sendmail"),
            from: None,
        }
    }
}

#[cfg(test)]
mod tests;
