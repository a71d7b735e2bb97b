//! Fail points: places where a test freezes the daemon to kill it, cut its power or fill its disk.
//!
//! In builds with debug assertions only; in others a point is nothing. The daemon looks into the
//! directory that `WHARF_FAIL_POINTS` names. Each point that is passed appends its name as a line to
//! the file `trace` there. A point whose name is the whole content of the file `stop` removes that
//! file and stops the process, as `kill -STOP` does: whoever set it waits for that, and goes on from
//! there. Every step and every recorded write is a point by itself, so a new one needs no line here.

#[cfg(debug_assertions)]
pub use with_debug_assertions::point;

/// Passes a point: nothing, without debug assertions.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_name: std::fmt::Arguments<'_>) {}

#[cfg(debug_assertions)]
mod with_debug_assertions {
    use std::fmt::Arguments;
    use std::fs::{self, File};
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};
    use std::sync::LazyLock;

    /// Where tests say what they want; none outside of tests.
    static DIRECTORY: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let directory = PathBuf::from(std::env::var_os("WHARF_FAIL_POINTS")?);
        directory.is_dir().then_some(directory)
    });

    /// Passes a point.
    pub fn point(name: Arguments<'_>) {
        let Some(directory) = &*DIRECTORY else { return };
        let name = name.to_string();
        match pass(directory, &name) {
            Ok(Go::On) => {}
            // To this thread, so that it does not get one instruction further.
            Ok(Go::No) => signal_hook::low_level::raise(signal_hook::consts::SIGSTOP)
                .expect("a process may stop itself"),
            Err(error) => tracing::error!(%error, name, "fail point"),
        }
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Go {
        On,
        No,
    }

    fn pass(directory: &Path, name: &str) -> io::Result<Go> {
        let stop = directory.join("stop");
        // Before the trace tells of it: whoever saw it there and set the same name means the next.
        let is_wanted = match fs::read_to_string(&stop) {
            Ok(wanted) => wanted == name,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        let mut trace = File::options()
            .create(true)
            .append(true)
            .open(directory.join("trace"))?;
        // One write: points are passed by several threads.
        trace.write_all(format!("{name}\n").as_bytes())?;
        if is_wanted {
            fs::remove_file(&stop)?;
            return Ok(Go::No);
        }
        Ok(Go::On)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_is_traced_and_only_the_named_one_stops() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            fs::write(path.join("stop"), "b").unwrap();
            assert_eq!(pass(path, "a").unwrap(), Go::On);
            assert_eq!(pass(path, "b").unwrap(), Go::No);
            assert_eq!(pass(path, "b").unwrap(), Go::On, "once");
            assert_eq!(fs::read_to_string(path.join("trace")).unwrap(), "a\nb\nb\n");
        }
    }
}
