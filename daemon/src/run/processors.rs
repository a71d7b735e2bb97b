//! Keeps a sandbox to some of the processors. Without a control group there is no share of time to
//! give, so it gets whole ones: the kernel holds it to them, and programs that count see so many.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::job::JobId;

/// Keeps this process and what it becomes to so many hundredths of a processor, rounded up. Says
/// whether that is fewer than there are.
///
/// # Errors
/// Of the kernel.
pub(super) fn keep_to(hundredths: u64, job: &JobId) -> io::Result<bool> {
    let set = sched_getaffinity(None)?;
    let there: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect();
    let Some(chosen) = choose(&there, hundredths, job) else {
        return Ok(false);
    };
    let mut set = CpuSet::new();
    for cpu in chosen {
        set.set(cpu);
    }
    sched_setaffinity(None, &set)?;
    Ok(true)
}

/// Which processors of those that are there; none where that would be all. Another job begins
/// elsewhere, or two of them would meet on one processor while others idle.
fn choose(there: &[usize], hundredths: u64, job: &JobId) -> Option<Vec<usize>> {
    let count = usize::try_from(hundredths.div_ceil(100))
        .unwrap_or(usize::MAX)
        .max(1);
    if count >= there.len() {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    job.as_str().hash(&mut hasher);
    let first = hasher.finish() % u64::try_from(there.len()).expect("a count fits");
    let first = usize::try_from(first).expect("below a count");
    Some(
        there
            .iter()
            .copied()
            .cycle()
            .skip(first)
            .take(count)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_processors_are_chosen_and_all_of_them_come_into_play() {
        let there = [0, 2, 4, 5];
        let job = |name: &str| JobId::parse(name).unwrap();
        assert_eq!(choose(&there, 400, &job("a")), None);
        assert_eq!(choose(&there, 301, &job("a")), None);
        assert_eq!(choose(&[], 100, &job("a")), None);
        let mut seen: Vec<usize> = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] {
            let chosen = choose(&there, 150, &job(name)).unwrap();
            assert_eq!(chosen.len(), 2, "{chosen:?}");
            assert!(chosen[0] != chosen[1] && chosen.iter().all(|cpu| there.contains(cpu)));
            assert_eq!(choose(&there, 10, &job(name)).unwrap(), chosen[..1]);
            seen.extend(chosen);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, there);
    }
}
