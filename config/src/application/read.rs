//! Reads `wharf.toml` and fills in what was detected.

use super::Application;
use crate::{files::Files, problem::Problems};

pub(super) fn read(_files: &Files) -> Result<Application, Problems> {
    Ok(Application::default())
}
