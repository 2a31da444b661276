//! What must not compile: everything that would let a stack, or what lies on it, be used from
//! another thread or after its end, or let a task refer to a frame that does not wait for it.
//!
//! Each file in `tests/bounds` is compiled against the library. Its first line says with which kinds
//! of errors that has to fail, all of them and no others: codes, or the texts of errors that have
//! none. The lines that are to be refused, and no others, end in `//~`, or are followed by a line with
//! nothing else. Files that say `ok` have to compile; they show that the others fail for the reason
//! given, and not because of how they are compiled.

#[path = "bounds/library.rs"]
mod library;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What a compilation is refused for: kinds of errors, and the lines that they are in.
type Refusal = (BTreeSet<String>, BTreeSet<usize>);

/// One file: where it is, and what it is to be refused for.
struct Case {
    /// The file.
    path: PathBuf,
    /// Nothing, if it is to compile.
    expected: Refusal,
}

/// All files that say what they expect.
fn cases() -> Vec<Case> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bounds");
    let mut cases: Vec<_> = fs::read_dir(dir)
        .expect("the directory of the cases")
        .filter_map(|entry| {
            let path = entry.expect("a directory that can be read").path();
            let text = fs::read_to_string(&path).ok()?;
            let kinds = text.lines().next()?.strip_prefix("//~ ")?;
            let kinds = kinds.split(", ").filter(|&kind| kind != "ok").map(str::to_owned);
            let marked = (1..).zip(text.lines()).filter(|(_, line)| line.ends_with("//~"));
            let lines = marked.map(|(number, line)| number - usize::from(line.trim() == "//~"));
            Some(Case { expected: (kinds.collect(), lines.collect()), path })
        })
        .collect();
    cases.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    cases
}

/// One line of what the compiler says in short: `file:line:column: error[code]: text: label`.
fn error(said: &str) -> Option<(String, usize)> {
    let (place, error) = said.split_once(": error")?;
    let line = place.rsplit(':').nth(1)?.parse().ok()?;
    let (code, text) = error.split_once(": ")?;
    let text = text.split(": ").next()?;
    let kind = code.strip_prefix('[').and_then(|code| code.strip_suffix(']')).unwrap_or(text);
    Some((kind.to_owned(), line))
}

/// What the compilation of this file is refused for, and all that was said.
fn compile(path: &Path) -> (Refusal, String) {
    let name = path.file_stem().expect("a file's name").to_string_lossy();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bounds_{name}.rmeta"));
    let output = library::compile(path)
        // Long types are written to files, wherever it runs.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .args(["--error-format", "short"])
        .arg(format!("--emit=metadata={}", out.display()))
        .output()
        .expect("rustc can be started");
    let _ = fs::remove_file(out);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let refusal: Refusal = said.lines().filter_map(error).unzip();
    assert_eq!(output.status.success(), refusal.0.is_empty(), "{said}");
    (refusal, said)
}

/// Compiles these and tells which did not do what they say.
fn check(cases: &[Case]) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = String::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (found, said) = compile(&case.path);
            if found != case.expected {
                let path = case.path.display();
                wrong += &format!("{path}\n  expected {:?}\n  found {found:?}\n", case.expected);
                wrong += &said;
            }
        }
        wrong
    };
    let wrong: String = thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.map(|thread| thread.join().expect("no panic")).concat()
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_sound_compiles() {
    let mut cases = cases();
    cases.retain(|case| case.expected.0.is_empty());
    assert!(cases.len() >= 5);
    check(&cases);
}

#[test]
fn what_is_unsound_does_not_compile_for_the_reason_given() {
    let mut cases = cases();
    cases.retain(|case| !case.expected.0.is_empty());
    assert!(cases.len() >= 75);
    check(&cases);
}
