//! Languages that the host must have.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{plain::quoted, reader::suggestion};

/// A language and its version: `php:8.2`; without a version, any will do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// The language.
    pub name: RuntimeName,
    /// Numbers with dots between; `8.2` asks for any 8.2.x.
    pub version: Option<String>,
}

macro_rules! names {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// A language that Wharf knows to look for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum RuntimeName {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
        }

        impl RuntimeName {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

names! {
    Php = "php", Node = "node", Python = "python", Ruby = "ruby", Perl = "perl", Go = "go",
    Java = "java", Deno = "deno", Bun = "bun",
}

impl Runtime {
    /// Reads `NAME` or `NAME:VERSION`; the error is a message and a hint.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, String)> {
        let (name, version) = match text.split_once(':') {
            None => (text, None),
            Some((name, version)) => (name, Some(version)),
        };
        let all = || RuntimeName::ALL.iter().map(|name| name.as_str());
        let Some(known) = RuntimeName::ALL.iter().find(|known| known.as_str() == name) else {
            let hint = suggestion(name, all())
                .map(|near| format!("did you mean {}?", quoted(near)))
                .unwrap_or_else(|| format!("known are {}", all().collect::<Vec<_>>().join(", ")));
            return Err((format!("unknown runtime {}", quoted(name)), hint));
        };
        let number = |part: &str| {
            !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit())
        };
        if let Some(version) = version
            && !(version.split('.').count() <= 4 && version.split('.').all(number))
        {
            return Err((
                format!("runtime version {} is not like 8 or 8.2", quoted(version)),
                format!("write {name}:MAJOR or {name}:MAJOR.MINOR"),
            ));
        }
        Ok(Self {
            name: *known,
            version: version.map(str::to_owned),
        })
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())?;
        match &self.version {
            Some(version) => write!(f, ":{version}"),
            None => Ok(()),
        }
    }
}
