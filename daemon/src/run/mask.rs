//! Secrets in an output become stars, also where one is split over two chunks, or written as URLs,
//! JSON or base64 have it.

mod forms;

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};

/// What stands in a secret's place.
const STARS: &[u8] = b"****";
/// A shorter value would star half of any text; nobody generates such a secret.
const SHORTEST: usize = 8;
/// A longer value is looked for as it is only: more than a private key is a document, and each form
/// costs memory.
const LONGEST_IN_FORMS: usize = 4 * 1024;

/// Replaces secrets in a stream of bytes.
#[derive(Debug, Default)]
pub struct Mask {
    secrets: Option<AhoCorasick>,
    longest: usize,
    held: Vec<u8>,
}

impl Mask {
    /// A mask for these values, and for each line of one that has several: an output is looked at
    /// line by line. Those of fewer than eight bytes are left out.
    #[must_use]
    pub fn new(secrets: &[String]) -> Mask {
        let whole = secrets.iter().map(String::as_str);
        let lines = secrets.iter().flat_map(|secret| secret.lines());
        let secrets: BTreeSet<String> = whole
            .chain(lines)
            .filter(|text| text.len() >= SHORTEST)
            .flat_map(|text| match text.len() {
                ..=LONGEST_IN_FORMS => forms::forms(text),
                _ => BTreeSet::from([text.to_owned()]),
            })
            .filter(|form| !form.contains('\n') && form.len() >= SHORTEST)
            .collect();
        let longest = secrets.iter().map(String::len).max().unwrap_or(0);
        let searcher = (!secrets.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&secrets)
                .expect("secrets are bounded in number and length")
        });
        Mask {
            secrets: searcher,
            longest,
            held: Vec::new(),
        }
    }

    /// Takes the next bytes and returns those that are certain: all but what may be the beginning
    /// of a secret on a line that is not complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(secrets) = &self.secrets else {
            return bytes.to_vec();
        };
        self.held.extend_from_slice(bytes);
        let line = self.held.iter().rposition(|byte| *byte == b'\n');
        let line = line.map_or(0, |end| end + 1);
        let certain = line.max(self.held.len().saturating_sub(self.longest - 1));
        let mut out = Vec::with_capacity(certain);
        let mut done = 0;
        for found in secrets.find_iter(&self.held) {
            if found.start() >= certain {
                break;
            }
            out.extend_from_slice(&self.held[done..found.start()]);
            out.extend_from_slice(STARS);
            done = found.end();
        }
        if done < certain {
            out.extend_from_slice(&self.held[done..certain]);
            done = certain;
        }
        self.held.drain(..done);
        out
    }

    /// The rest.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        // A complete line has no beginning of a secret at its end.
        let mut out = self.push(b"\n");
        out.pop();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "s3cr3t-value";

    fn through(chunks: &[&[u8]]) -> String {
        let mut mask = Mask::new(&[SECRET.to_owned()]);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(mask.push(chunk));
        }
        out.extend(mask.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_starred_wherever_it_is_cut() {
        let text = format!("a={SECRET} b\n{SECRET}");
        for cut in 0..text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            assert_eq!(through(&[first, second]), "a=**** b\n****", "cut at {cut}");
        }
    }

    #[test]
    fn each_line_of_a_key_is_starred() {
        let key = "-----BEGIN KEY-----\r\nMIIBOgIBAAJBAK\nshort\n".to_owned();
        let mut mask = Mask::new(&[key]);
        let text = b"a MIIBOgIBAAJBAK\n-----BEGIN KEY-----\nshort\n";
        assert_eq!(mask.push(text), b"a ****\n****\nshort\n");
    }

    #[test]
    fn a_complete_line_is_not_held_back() {
        let mut mask = Mask::new(&[SECRET.to_owned()]);
        assert_eq!(mask.push(b"hello\n"), b"hello\n");
        assert_eq!(mask.push(b"s3cr"), b"");
        assert_eq!(mask.push(b"et\n"), b"s3cret\n");
    }

    #[test]
    fn a_form_of_it_is_starred_too() {
        // "user:" and the secret, as HTTP's basic authentication has them.
        let text = "Basic dXNlcjpzM2NyM3QtdmFsdWU=\nhttps://a/?b=s3cr3t-value&c=s3cr3t%2Dvalue\n";
        let starred = through(&[text.as_bytes()]);
        assert!(!starred.contains("zM2NyM3QtdmFsdW"), "{starred}");
        assert!(
            starred.ends_with("\nhttps://a/?b=****&c=s3cr3t%2Dvalue\n"),
            "{starred}"
        );
        let key = "-----BEGIN KEY-----\nMIIBOgIBAAJBAK\n".to_owned();
        let mut mask = Mask::new(&[key]);
        let line = b"LS0tLS1CRUdJTiBLRVktLS0tLQpNSUlCT2dJQkFBSkJBSwo=\n";
        // The last character also says that the text ends.
        assert_eq!(mask.push(line), b"****o=\n");
    }

    proptest! {
        #[test]
        fn other_text_is_untouched_and_no_secret_survives(
            words in proptest::collection::vec(
                prop_oneof![Just(SECRET.to_owned()), "[a-z0-9 \n-]{0,20}"], 0..12),
            size in 1_usize..9,
        ) {
            let text = words.concat();
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(through(&chunks), text.replace(SECRET, "****"));
        }
    }
}
