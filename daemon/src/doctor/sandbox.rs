//! Whether anything can be built and started here.

use wharf_wire::view::Finding;

use crate::execute::failure::chain;
use crate::run::bubblewrap::NoSandbox;
use crate::run::isolation::Isolation;
use crate::store::paths::Paths;

/// Tries it as a daemon does when it starts; some 10 ms. Blocks.
pub(super) fn findings(paths: &Paths) -> Vec<Finding> {
    vec![match Isolation::find(&paths.state()) {
        Ok(Isolation::Bubblewrap(_)) => Finding::good("bubblewrap", "bubblewrap works"),
        Ok(Isolation::Units) => Finding::good("isolation", "wharf-helper answers"),
        Err(error) => {
            let code = match error {
                NoSandbox::Missing | NoSandbox::Broken(_) => "bubblewrap",
                NoSandbox::Helper(_) => "isolation",
            };
            let text = format!("nothing can be built or started: {}", chain(&error));
            Finding::error(code, text, error.hint())
        }
    }]
}
