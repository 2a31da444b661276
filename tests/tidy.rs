//! The tree keeps its promises: heads of files, imports that run one way, where unsafe code stands.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, foundations first, and what each may import besides the two at the top.
const ROOMS: [(&str, &[&str]); 16] = [
    ("report", &[]),
    ("model", &[]),
    ("erase", &["report"]),
    ("stacks", &["report"]),
    ("coroutine", &["report", "erase", "stacks"]),
    ("generator", &["stacks", "coroutine"]),
    ("task", &["report", "model", "erase", "stacks", "coroutine"]),
    ("wait", &["report", "model", "erase", "stacks", "coroutine", "task"]),
    ("event_loop", &["report", "model", "stacks", "coroutine", "task", "wait"]),
    ("time", &["task"]),
    ("scope", &["report", "model", "stacks", "coroutine", "task", "event_loop"]),
    ("sync", &["report", "task", "wait", "event_loop", "scope"]),
    ("unblock", &["erase", "task", "wait"]),
    ("pool", &["model", "stacks", "coroutine", "task", "wait", "event_loop", "scope", "sync"]),
    ("script", &["report", "erase", "stacks", "coroutine"]),
    ("testing", &["stacks", "coroutine", "task", "event_loop", "scope"]),
];
/// Rooms in which unsafe code may stand.
const UNSAFE: [&str; 4] = ["stacks", "coroutine", "task", "wait"];
/// Files of other rooms in which it may.
const UNSAFE_FILES: [&str; 3] = ["src/erase.rs", "src/sync/cell.rs", "src/script/lend.rs"];

/// Every Rust file below a folder of this package.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The room that a file of `src` belongs to.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn every_file_says_its_job_in_its_first_line() {
    for path in ["src", "examples", "tests"].iter().flat_map(|folder| files(folder)) {
        // What must not compile says first which error it expects.
        if path.parent().is_some_and(|folder| folder.ends_with("tests/bounds")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} has no head", path.display());
    }
}

#[test]
fn imports_run_one_way() {
    for path in files("src") {
        let room = room(&path);
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            assert!(["lib", "docs"].contains(&room.as_str()), "{} is in no room", path.display());
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            // A macro's `$crate` is the user's path, not an import.
            for part in line.replace("$crate::", "").split("crate::").skip(1) {
                let name: String =
                    part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(
                    name == room || name.is_empty() || allowed.contains(&name.as_str()),
                    "{} imports {name}: {line}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_order_of_modules_is_the_order_of_the_rooms() {
    let tour =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: Vec<&str> = tour
        .lines()
        .map(|line| line.strip_prefix("pub ").unwrap_or(line))
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .filter(|name| *name != "docs")
        .collect();
    assert_eq!(modules, ROOMS.map(|(name, _)| name));
}

#[test]
fn unsafe_code_stands_where_it_may_and_says_why() {
    for path in files("src") {
        let text = fs::read_to_string(&path).unwrap();
        let allows = text.contains("#![allow(unsafe_code");
        if allows {
            let may = UNSAFE.contains(&room(&path).as_str())
                || UNSAFE_FILES.iter().any(|file| path.ends_with(file));
            assert!(may, "{} has unsafe code", path.display());
            assert!(text.contains("#![allow(unsafe_code, reason ="), "{}", path.display());
        }
    }
}
