//! A night market in the terminal.
//!
//! ```text
//! cargo run --release -p festival
//! cargo run --release -p festival -- --headless --seed 7 --frames 900 --transcript out.txt --svg 300=frame.svg
//! ```

use std::process::ExitCode;

use festival::{Options, USAGE};

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let watched =
        if options.headless { festival::headless(&options) } else { festival::live(&options) };
    match watched {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
