//! How many rows the tables of a service have, and what became of them.

use crate::report;

/// Tables that are named, at most.
const NAMED: usize = 8;
/// Characters of a table's name that are shown.
const LONGEST: usize = 40;

/// The rows of each table, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows(Vec<(String, u64)>);

impl Rows {
    /// Reads what a recipe's count prints: a name, a tab and a number a line.
    #[must_use]
    pub fn read(printed: &str) -> Rows {
        let line = |line: &str| {
            let (name, count) = line.rsplit_once('\t')?;
            Some((name.to_owned(), count.trim().parse().ok()?))
        };
        Rows(printed.lines().filter_map(line).collect())
    }

    fn total(&self) -> u64 {
        let all = self.0.iter().map(|(_, count)| count);
        all.fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn of(&self, name: &str) -> Option<u64> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(found.1)
    }

    /// In one line: "3 tables, 1204 rows".
    #[must_use]
    pub fn said(&self) -> String {
        if let [(only, count)] = self.0.as_slice()
            && only == "keys"
        {
            return report::count(*count, "key");
        }
        let tables = report::count(self.0.len() as u64, "table");
        format!("{tables}, {}", report::count(self.total(), "row"))
    }

    /// What is otherwise afterwards: "customers 24 -> 0". Empty where nothing is.
    #[must_use]
    pub fn changed(&self, after: &Rows) -> String {
        let gone = |name: &str| {
            after
                .of(name)
                .map_or("gone".to_owned(), |count| count.to_string())
        };
        let is_other = |(name, count): &&(String, u64)| after.of(name) != Some(*count);
        let mut words: Vec<String> = self
            .0
            .iter()
            .filter(is_other)
            .map(|(name, count)| format!("{} {count} -> {}", shown(name), gone(name)))
            .collect();
        let is_new = |(name, _): &&(String, u64)| self.of(name).is_none();
        let new = after.0.iter().filter(is_new);
        words.extend(new.map(|(name, count)| format!("{} none -> {count}", shown(name))));
        let more = words.len().saturating_sub(NAMED);
        words.truncate(NAMED);
        match more {
            0 => words.join(", "),
            more => format!("{} and {more} more", words.join(", ")),
        }
    }
}

fn shown(name: &str) -> String {
    name.chars()
        .take(LONGEST)
        .flat_map(char::escape_default)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_rows_is_said_by_table() {
        let before = Rows::read("a\t3\nb c\t0\nno number\tx\ngone\t7\n");
        assert_eq!(before.said(), "3 tables, 10 rows");
        let after = Rows::read("a\t3\nb c\t2\nnew\t1\n");
        assert_eq!(
            before.changed(&after),
            "b c 0 -> 2, gone 7 -> gone, new none -> 1"
        );
        assert_eq!(before.changed(&before), "");
        assert_eq!(Rows::read("keys\t1\n").said(), "1 key");
        let many: String = (0..10).map(|n| format!("t{n}\t1\n")).collect();
        let said = Rows::read(&many).changed(&Rows::default());
        assert!(said.ends_with("t7 1 -> gone and 2 more"), "{said}");
    }
}
