//! Reads TOML by hand, so that every problem of a file is found at once.

/// The known word that is near enough to what somebody wrote.
pub(crate) fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer ones are no slips of a finger, and cost time by their square.
    if word.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}
