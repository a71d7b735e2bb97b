//! What holds below some paths of an environment.

use http::HeaderValue;
use wharf_wire::route;

use crate::path::Plain;

/// The most of an environment.
const MAX: usize = 200;
/// The longest that a browser may keep a file: ten years.
const LONGEST: u64 = 10 * 366 * 24 * 60 * 60;

/// What holds where, the longest path first.
#[derive(Debug, Default)]
pub(crate) struct Locations(Vec<Location>);

/// What holds below a path.
#[derive(Debug)]
pub(crate) struct Location {
    path: Plain,
    /// What browsers are told about files; see [`Locations::new`].
    pub(crate) keep: Option<HeaderValue>,
    /// Whether what is no file goes on to the process.
    pub(crate) goes_on: bool,
    /// Whether anything is answered.
    pub(crate) is_open: bool,
}

/// Who may keep a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Whoever passes it on, too.
    Everybody,
    /// Whoever was let in.
    Visitor,
}

impl Locations {
    /// Makes a route's locations ready.
    ///
    /// # Errors
    /// What no route can say.
    pub(crate) fn new(said: Vec<route::Location>, keeps: Keeps) -> Result<Self, &'static str> {
        if said.len() > MAX {
            return Err("has more than 200 locations");
        }
        let ready = |said: route::Location| {
            let path = Plain::read(&said.path)?;
            path.encoded().ends_with('/').then(|| Location {
                path,
                keep: said
                    .expires
                    .map(|seconds| keep(seconds.min(LONGEST), keeps)),
                goes_on: said.front,
                is_open: said.allow,
            })
        };
        let ready: Option<Vec<_>> = said.into_iter().map(ready).collect();
        let mut ready = ready.ok_or("a location's path does not begin and end with a slash")?;
        ready.sort_by_key(|one| std::cmp::Reverse(one.path.encoded().len()));
        Ok(Self(ready))
    }

    /// What holds for a path.
    pub(crate) fn find(&self, path: Option<&Plain>) -> Option<&Location> {
        let path = path?;
        self.0.iter().find(|one| path.below(&one.path).is_some())
    }
}

fn keep(seconds: u64, keeps: Keeps) -> HeaderValue {
    let whose = match keeps {
        Keeps::Everybody => "",
        Keeps::Visitor => "private, ",
    };
    HeaderValue::try_from(format!("{whose}max-age={seconds}")).expect("a plain text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(path: &str, expires: Option<u64>) -> route::Location {
        route::Location {
            path: path.to_owned(),
            expires,
            front: true,
            allow: true,
        }
    }

    #[test]
    fn the_longest_path_counts() {
        let said = vec![location("/", Some(1)), location("/static/", Some(u64::MAX))];
        let all = Locations::new(said.clone(), Keeps::Everybody).unwrap();
        let found = |locations: &Locations, path: &str| {
            let path = Plain::read(path);
            let found = locations.find(path.as_ref()).unwrap();
            found.keep.clone().unwrap()
        };
        assert_eq!(found(&all, "/x"), "max-age=1");
        assert_eq!(found(&all, "/%73tatic//a"), "max-age=316224000");
        let some = Locations::new(said, Keeps::Visitor).unwrap();
        assert_eq!(found(&some, "/statics"), "private, max-age=1");
        assert!(Locations::new(vec![location("static/", None)], Keeps::Visitor).is_err());
        assert!(Locations::new(vec![location("/static", None)], Keeps::Visitor).is_err());
    }
}
