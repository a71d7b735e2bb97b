//! Reads `[[notify]]` and `[mail]`.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use email_address::EmailAddress;

use super::{Notify, Occasion, Secret, SecretFrom, To, WebhookUrl};
use crate::{
    project::{
        BranchPattern, Kind,
        read::{KINDS, absolute},
    },
    reader::{Item, Table},
};

const MAX_DESTINATIONS: usize = 50;
const MAX_PEOPLE: usize = 50;
const MAX_BRANCHES: usize = 50;
/// What somebody is told of who does not say: what wants an eye.
const USUAL: [Occasion; 2] = [Occasion::Failed, Occasion::Recovered];

/// Every `[[notify]]` of a file that is good; each name once.
pub(crate) fn destinations(item: &Item<'_>) -> Vec<Notify> {
    let Some(list) = item.list(MAX_DESTINATIONS, "[[notify]]") else {
        return Vec::new();
    };
    let mut found: Vec<Notify> = Vec::new();
    for item in list {
        let Some(table) = item.table("") else {
            continue;
        };
        let name = table.get("name");
        let Some(one) = destination(table) else {
            continue;
        };
        if let Some(item) = name.filter(|_| found.iter().any(|other| other.name == one.name)) {
            item.bad(
                "another one of this file has that name",
                "name it otherwise",
            );
            continue;
        }
        found.push(one);
    }
    found
}

/// None only with a problem.
fn destination(table: Table<'_>) -> Option<Notify> {
    let name = table.get("name");
    if name.is_none() {
        let hint = "write name = \"team\": wharf notify test and wharf doctor call it so";
        table.missing(&["name"], "`name` is missing".to_owned(), hint);
    }
    let name = name.and_then(|item| item.parsed("\"team\"", word));
    let (webhook, email) = (table.get("webhook"), table.get("email"));
    let (secret, file) = (table.get("secret"), table.get("secret_file"));
    let secret = match (&secret, &file) {
        (Some(item), Some(_)) => {
            item.bad("there is `secret_file`, too", "keep one of the two");
            None
        }
        (Some(item), None) => hidden(item).map(SecretFrom::Here),
        (None, Some(item)) => absolute(item).map(SecretFrom::File),
        (None, None) => None,
    };
    let to = match (&webhook, &email) {
        (Some(item), Some(_)) => {
            let hint = "write two [[notify]], one for each";
            item.bad("there is `email`, too", hint);
            None
        }
        (Some(item), None) => webhook_url(item).map(|url| To::Webhook { url, secret }),
        (None, Some(item)) => people(item).map(To::Email),
        (None, None) => {
            let message = "neither `webhook` nor `email` is there".to_owned();
            let hint = "write webhook = \"https://hooks.example.com/wharf\" or \
                        email = [\"team@example.com\"]";
            table.missing_one_of(&["webhook", "email"], message, hint);
            None
        }
    };
    let on = table.get("on").map(|item| on(&item));
    let types = table.get("types").map(|item| types(&item));
    let branches = table.get("branches").map(|item| branches(&item));
    table.finish();
    Some(Notify {
        name: name?,
        to: to?,
        on: on.unwrap_or_else(|| Some(USUAL.into()))?,
        types: match types {
            Some(types) => Some(types?),
            None => None,
        },
        branches: match branches {
            Some(branches) => Some(branches?),
            None => None,
        },
    })
}

/// An address, whose path no problem shows.
fn webhook_url(item: &Item<'_>) -> Option<WebhookUrl> {
    const EXAMPLE: &str = "\"https://hooks.example.com/wharf\"";
    let url = WebhookUrl::parse(item.text(EXAMPLE)?);
    let hint = format!("for example: webhook = {EXAMPLE}");
    url.map_err(|why| item.bad_secret(why, &hint)).ok()
}

fn on(item: &Item<'_>) -> Option<BTreeSet<Occasion>> {
    let words = Occasion::ALL.map(|occasion| (occasion.as_str(), occasion));
    let list = some(item, words.len(), "[\"failed\", \"recovered\"]")?;
    list.iter().map(|item| item.one_of(&words)).collect()
}

fn types(item: &Item<'_>) -> Option<BTreeSet<Kind>> {
    let list = some(item, KINDS.len(), "[\"production\"]")?;
    list.iter().map(|item| item.one_of(&KINDS)).collect()
}

fn branches(item: &Item<'_>) -> Option<Vec<BranchPattern>> {
    let list = some(item, MAX_BRANCHES, "[\"main\", \"release/*\"]")?;
    let read = |item: &Item<'_>| item.parsed("\"release/*\"", BranchPattern::parse);
    list.iter().map(read).collect()
}

fn people(item: &Item<'_>) -> Option<Vec<String>> {
    let list = some(item, MAX_PEOPLE, "[\"team@example.com\"]")?;
    let read = |item: &Item<'_>| item.parsed("\"team@example.com\"", address);
    list.iter().map(read).collect()
}

/// A list that says something.
fn some<'a>(item: &Item<'a>, most: usize, example: &str) -> Option<Vec<Item<'a>>> {
    let list = item.list(most, example)?;
    if list.is_empty() {
        item.bad("nothing is in it", "leave the key out, or name something");
        return None;
    }
    Some(list)
}

/// A secret, whose text no problem shows.
fn hidden(item: &Item<'_>) -> Option<Secret> {
    let text = item.text("\"whsec_...\"")?;
    let hint = "make one with: echo whsec_$(openssl rand -base64 32)";
    match Secret::parse(text) {
        Ok(secret) => Some(secret),
        Err(why) => {
            item.bad_secret(why, hint);
            None
        }
    }
}

/// Whom mail comes from.
pub(crate) fn from(item: &Item<'_>) -> Option<String> {
    item.parsed("\"wharf@example.com\"", address)
}

fn address(text: &str) -> Result<String, &'static str> {
    let good = EmailAddress::from_str(text).is_ok_and(|address| {
        // A name beside it, or a quoted part, is nothing that a sendmail's list needs.
        address.as_str() == text && text.is_ascii() && !text.contains(['"', ' ', ','])
    });
    match good && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => Err("must be an address such as team@example.com"),
    }
}

fn word(text: &str) -> Result<String, &'static str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let good = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
    match good && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => Err("must be a name of letters, digits and . _ -, at most 64"),
    }
}
