//! The `dash` binary: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    dash::cli::run()
}
