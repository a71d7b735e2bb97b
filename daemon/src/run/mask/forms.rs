//! How a secret looks where a program wrote it down in another form.

use std::collections::BTreeSet;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What Rust's, Java's and Ruby's encoders leave as it is: the unreserved characters of RFC 3986, 2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// `encodeURIComponent` (ECMA-262, 19.2.6) leaves these, too.
const SCRIPT: &AsciiSet = &UNRESERVED
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');
/// Python's `quote` takes its text for a path.
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
/// Forms, and PHP's `urlencode`; their space is a plus sign.
const FORM: &AsciiSet = &UNRESERVED.add(b'~').remove(b' ');

/// The secret as it is, and as URLs, JSON and base64 write it. In base64 it may stand anywhere in a
/// longer text, so it is looked for at each of the three places in a group of bytes.
pub(super) fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([secret.to_owned()]);
    for set in [UNRESERVED, SCRIPT, PATH] {
        forms.extend(escaped(secret, set));
    }
    forms.extend(escaped(secret, FORM).map(|form| form.replace(' ', "+")));
    let json = serde_json::to_string(secret).expect("a text is JSON");
    let json = json.trim_start_matches('"').strip_suffix('"');
    let json = json.unwrap_or_default().to_owned();
    // As PHP writes it.
    forms.insert(json.replace('/', "\\/"));
    forms.insert(json);
    for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
        forms.extend((0..3).map(|before| inner(secret, encoding, before)));
    }
    forms
}

/// With capital and with small digits.
fn escaped(secret: &str, set: &'static AsciiSet) -> impl Iterator<Item = String> {
    let parts: Vec<&str> = utf8_percent_encode(secret, set).collect();
    let small = parts.iter().map(|part| match part.starts_with('%') {
        true => part.to_ascii_lowercase(),
        false => (*part).to_owned(),
    });
    [parts.concat(), small.collect()].into_iter()
}

/// What base64 makes of the secret after `before` other bytes, without the characters at both ends
/// that also depend on what stands around it. A character has six bits.
fn inner(secret: &str, encoding: &Encoding, before: usize) -> String {
    let bytes = [&vec![0; before], secret.as_bytes()].concat();
    let text = encoding.encode(&bytes);
    let begin = (before * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    text[begin..end].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "p/s \"w~rd'é(!)";

    #[test]
    fn each_language_s_form_is_known() {
        let forms = forms(SECRET);
        for form in [
            // Python: urllib.parse.quote, quote_plus; JavaScript: encodeURIComponent; PHP: urlencode.
            "p/s%20%22w~rd%27%C3%A9%28%21%29",
            "p%2Fs%20%22w~rd'%C3%A9(!)",
            "p%2Fs+%22w%7Erd%27%C3%A9%28%21%29",
            "p%2fs+%22w%7erd%27%c3%a9%28%21%29",
            // JavaScript: JSON.stringify; PHP: json_encode with JSON_UNESCAPED_UNICODE.
            "p/s \\\"w~rd'é(!)",
            "p\\/s \\\"w~rd'é(!)",
            // base64 of the secret alone, but for the last character, which says that it ends.
            "cC9zICJ3fnJkJ8OpKCEp",
        ] {
            assert!(forms.contains(form), "{form} in {forms:#?}");
        }
    }

    proptest! {
        #[test]
        fn base64_shows_it_wherever_it_stands(
            before in prop::collection::vec(any::<u8>(), 0..9),
            secret in "[ -~]{8,40}",
            after in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let whole = [before.as_slice(), secret.as_bytes(), &after].concat();
            let text = BASE64_NOPAD.encode(&whole);
            let found = forms(&secret).iter().any(|form| form.len() >= 8 && text.contains(form));
            prop_assert!(found);
        }
    }
}
