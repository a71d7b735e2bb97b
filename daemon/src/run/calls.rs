//! Which system calls repository code may make: readable lists, and their rendering for the kernel.
//!
//! A filter gives all that it refuses one answer, so there is one for each answer. The kernel asks
//! all of them; of two that refuse a call the later one answers.

mod lists;

use std::{collections::BTreeMap, env::consts::ARCH, fmt};

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};
pub use wharf_sandbox::sandbox::Calls;

/// One filter: what it refuses, and what the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Filter {
    answer: Answer,
    refuses: Refuses,
}

/// What a refused call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// `ENOSYS`: as on a kernel that does not have it, so that libraries do without.
    NotThere,
    /// `EPERM`: as without privileges.
    NotPermitted,
    /// `EAFNOSUPPORT`: as on a kernel without this kind of socket.
    NoSuchFamily,
}

/// What a filter refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refuses {
    /// All calls but these.
    AllBut(&'static [Call]),
    /// These, where their arguments are as in one of the rows; without rows always.
    These(&'static [(Call, &'static [Row])]),
}

/// A name as `libc` has it, and its number.
type Call = (&'static str, i64);
/// All of it must be so.
type Row = &'static [(u8, Is)];

/// What an argument is, in its lower 32 bits: the kernel looks at no more of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Equal(u32),
    Other(u32),
    With(u32),
}

/// The programs for these calls, in the order in which they are loaded; none for all calls.
///
/// # Errors
/// That the library knows nothing of this processor.
pub fn programs(calls: Calls) -> Result<Vec<Vec<u8>>, BackendError> {
    let programs = filters(calls)?;
    Ok(programs.iter().map(bytes).collect())
}

/// The same, as a process sets them for itself.
///
/// # Errors
/// When there is none for this processor.
pub(super) fn filters(calls: Calls) -> Result<Vec<BpfProgram>, BackendError> {
    match calls {
        Calls::All => Ok(vec![]),
        Calls::Ordinary => lists::FILTERS.iter().map(program).collect(),
    }
}

/// The program that keeps code from choosing its processors.
///
/// # Errors
/// As [`programs`].
pub fn keeps_processors() -> Result<Vec<u8>, BackendError> {
    Ok(bytes(&program(&lists::PROCESSORS)?))
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    let words = program.iter().flat_map(|word| {
        let [a, b] = word.code.to_ne_bytes();
        let [c, d, e, f] = word.k.to_ne_bytes();
        [a, b, word.jt, word.jf, c, d, e, f]
    });
    words.collect()
}

fn program(filter: &Filter) -> Result<BpfProgram, BackendError> {
    let refused = SeccompAction::Errno(filter.answer.number());
    let (rules, otherwise, listed) = match filter.refuses {
        Refuses::AllBut(calls) => {
            let rules = calls.iter().map(|(_, number)| (*number, vec![]));
            (rules.collect(), refused, SeccompAction::Allow)
        }
        Refuses::These(calls) => (rules(calls)?, SeccompAction::Allow, refused),
    };
    // A call by the rules of another processor ends the process: its numbers mean other calls.
    let filter = SeccompFilter::new(rules, otherwise, listed, ARCH.try_into()?)?;
    filter.try_into()
}

fn rules(
    calls: &[(Call, &'static [Row])],
) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules = BTreeMap::new();
    for ((_, number), rows) in calls {
        let rows = rows.iter().map(|row| {
            let conditions = row.iter().map(|(argument, is)| {
                let (operator, value) = match *is {
                    Is::Equal(value) => (SeccompCmpOp::Eq, value),
                    Is::Other(value) => (SeccompCmpOp::Ne, value),
                    Is::With(value) => (SeccompCmpOp::MaskedEq(value.into()), value),
                };
                let length = SeccompCmpArgLen::Dword;
                SeccompCondition::new(*argument, length, operator, value.into())
            });
            SeccompRule::new(conditions.collect::<Result<_, _>>()?)
        });
        rules.insert(*number, rows.collect::<Result<_, _>>()?);
    }
    Ok(rules)
}

impl Answer {
    fn number(self) -> u32 {
        let number = match self {
            Self::NotThere => libc::ENOSYS,
            Self::NotPermitted => libc::EPERM,
            Self::NoSuchFamily => libc::EAFNOSUPPORT,
        };
        number.unsigned_abs()
    }
}

/// As a person reads it: the answer, then one call or row a line.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |name: &'static str| name.trim_start_matches("SYS_");
        match self.refuses {
            Refuses::AllBut(calls) => {
                writeln!(f, "{:?}, all but", self.answer)?;
                for (name, _) in calls {
                    writeln!(f, "  {}", short(name))?;
                }
            }
            Refuses::These(calls) => {
                writeln!(f, "{:?}", self.answer)?;
                for ((name, _), rows) in calls {
                    if rows.is_empty() {
                        writeln!(f, "  {}", short(name))?;
                    }
                    for row in *rows {
                        write!(f, "  {}", short(name))?;
                        for (argument, is) in *row {
                            write!(f, " [{argument}] {is}")?;
                        }
                        writeln!(f)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Is {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(value) => write!(f, "= {value:#x}"),
            Self::Other(value) => write!(f, "is not {value:#x}"),
            Self::With(value) => write!(f, "has {value:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_lists_are_known_name_by_name() {
        let text: Vec<String> = lists::FILTERS.iter().map(Filter::to_string).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn each_filter_fits_the_kernel_and_is_the_same_each_time() {
        let programs = programs(Calls::Ordinary).unwrap();
        assert_eq!(programs.len(), 3);
        for program in &programs {
            assert_eq!(program.len() % 8, 0);
            assert!(program.len() / 8 <= 4096, "{}", program.len());
        }
        assert_eq!(programs, super::programs(Calls::Ordinary).unwrap());
        assert!(super::programs(Calls::All).unwrap().is_empty());
    }

    #[test]
    fn no_call_is_named_twice() {
        for filter in lists::FILTERS {
            let numbers: Vec<i64> = match filter.refuses {
                Refuses::AllBut(calls) => calls.iter().map(|call| call.1).collect(),
                Refuses::These(calls) => calls.iter().map(|(call, _)| call.1).collect(),
            };
            let once: BTreeSet<i64> = numbers.iter().copied().collect();
            assert_eq!(once.len(), numbers.len(), "{filter}");
        }
    }
}
