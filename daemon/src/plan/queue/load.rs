//! How much there is to do.

use std::fmt;

use super::Queue;

/// Activities, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// They run.
    pub running: usize,
    /// They wait for their turn.
    pub waiting: usize,
    /// They are built and wait for leave.
    pub parked: usize,
}

impl Load {
    /// Whether nothing goes on by itself.
    pub fn is_drained(self) -> bool {
        self.running == 0 && self.waiting == 0
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "activities: {} running, {} waiting",
            self.running, self.waiting
        )?;
        match self.parked {
            0 => Ok(()),
            parked => write!(f, ", {parked} until they are let go on"),
        }
    }
}

impl Queue {
    /// How much there is to do now.
    pub fn load(&self) -> Load {
        Load {
            running: self.running.len(),
            waiting: self.waiting.len(),
            parked: self.parked.len(),
        }
    }
}
