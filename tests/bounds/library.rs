//! How to compile a program against the library that a test binary was linked with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library as cargo has just built it: the newest of those beside the test binary.
fn newest(deps: &Path) -> PathBuf {
    let age = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
    std::fs::read_dir(deps)
        .expect("the directory of the test binary")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libsegno-") && name.ends_with(".rlib")
        })
        .max_by_key(age)
        .expect("a test binary lies beside the library that it was linked with")
}

/// What cargo was told about this target when the tests are cross-compiled and run in an emulator.
fn cross(what: &str) -> Option<String> {
    let arch = std::env::consts::ARCH.to_uppercase();
    std::env::var(format!("CARGO_TARGET_{arch}_UNKNOWN_LINUX_GNU_{what}")).ok()
}

/// The command that compiles this file to a program. The caller says where to put what comes out.
pub(crate) fn compile(source: &Path) -> Command {
    let this = std::env::current_exe().expect("a test binary has a path");
    let deps = this.parent().expect("in a directory");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command
        .args(["--edition", "2024", "--crate-type", "bin", "--cap-lints", "allow"])
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--extern")
        .arg(format!("segno={}", newest(deps).display()))
        .arg(source);
    if cross("RUNNER").is_some() {
        command.arg("--target").arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
    }
    if let Some(linker) = cross("LINKER") {
        command.arg("-C").arg(format!("linker={linker}"));
    }
    command
}

/// The command that runs a program which was compiled that way.
#[allow(dead_code, reason = "not every test runs what it compiles")]
pub(crate) fn run(program: &Path) -> Command {
    let runner = cross("RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    match words.next() {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(words).arg(program);
            command
        }
        None => Command::new(program),
    }
}
