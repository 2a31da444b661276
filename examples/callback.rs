//! A parser that calls us, turned into an iterator that we call.
//!
//! ```text
//! cargo run --example callback                      a file about nine symphonies
//! cargo run --example callback -- FILE.json         every value in a JSON file, with its path
//! cargo run --example callback -- FILE.json 10      the first ten, and no more of the file is read
//! ```
//!
//! serde_json reads a document by calling methods of a visitor, one per value, and the visitor is
//! called again for the values inside that value. So the parser is in charge: whoever wants one
//! value now and the next one later has to read everything into memory first, or give the parser a
//! thread.
//!
//! Here the visitor pauses. The parser, which knows nothing of it, stays where it is, some frames
//! of ours and some of its own for each level of nesting, until somebody asks for the next value.
//! The file is read as far as that takes, and no tree is built.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use segno::{Builder, Generator, Outlet};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Bytes of frames. serde_json goes no deeper than 128 levels, which were measured at 228 KiB
/// without optimisation and 49 KiB with it: the default of 240 KiB would leave nothing to spare.
const STACK: usize = 512 * 1024;

/// What the iterator yields: a path and a value as text, or why the parser gave up.
pub(crate) type Item = Result<(String, String), serde_json::Error>;

/// Receives what the parser finds at one place of the document, and pauses with it.
struct Place<'a> {
    /// Where it is, as in `.symphonies[2].key`.
    path: String,
    /// Whom to pause.
    out: &'a Outlet<Item>,
}

impl Place<'_> {
    /// Hands a value out, in the middle of the parser's work, and waits until more are wanted.
    fn found<E>(self, value: impl ToString) -> Result<(), E> {
        self.out.pause(Ok((self.path, value.to_string())));
        Ok(())
    }
}

/// How the parser calls us: one method for each kind of value.
impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.found("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.found(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.found(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.found(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.found(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.found(format_args!("{value:?}"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { path, out } = self;
        let mut index = 0;
        // Each `next_element_seed` goes back into the parser, which comes back to a `Place` one
        // level further down.
        while list.next_element_seed(Place { path: format!("{path}[{index}]"), out })?.is_some() {
            index += 1;
        }
        if index == 0 { Place { path, out }.found("[]") } else { Ok(()) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { path, out } = self;
        let mut empty = true;
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(Place { path: format!("{path}.{key}"), out })?;
            empty = false;
        }
        if empty { Place { path, out }.found("{}") } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

/// A file that counts how much of it was read.
struct Counted {
    /// The file.
    file: File,
    /// Bytes read, for others to see.
    count: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.count.set(self.count.get() + bytes as u64);
        Ok(bytes)
    }
}

/// Every value of a JSON document, in order.
pub(crate) fn values(reader: impl Read + 'static) -> Result<Generator<Item>, segno::SpawnError> {
    Builder::new().name("parser").stack_size(STACK).generator(move |out| {
        // A small buffer, so that the count shows how far the parser has come.
        let mut parser =
            serde_json::Deserializer::from_reader(BufReader::with_capacity(256, reader));
        let start = Place { path: String::new(), out };
        if let Err(error) = start.deserialize(&mut parser).and_then(|()| parser.end()) {
            out.pause(Err(error));
        }
    })
}

/// Prints the first `most` values of a file.
fn print(path: &Path, most: usize) -> Result<(), String> {
    let wrong = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let size = file.metadata().map_err(|error| wrong(&error))?.len();
    let count = Rc::new(Cell::new(0));
    let counted = Counted { file, count: Rc::clone(&count) };
    let mut stdout = io::stdout().lock();
    for item in values(counted).map_err(|error| wrong(&error))?.take(most) {
        let (place, value) = item.map_err(|error| wrong(&error))?;
        if writeln!(stdout, "{place} = {value}").is_err() {
            // Whoever reads this has had enough.
            return Ok(());
        }
    }
    let _ = writeln!(stdout, "\nread {} of {size} bytes", count.get());
    Ok(())
}

fn main() -> ExitCode {
    let asset = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/assets/beethoven.json");
    let mut given = std::env::args_os().skip(1);
    let path = given.next().map_or(asset, PathBuf::from);
    let most = match given.next() {
        None => Some(usize::MAX),
        Some(word) => word.to_str().and_then(|word| word.parse().ok()),
    };
    let (Some(most), None) = (most, given.next()) else {
        eprintln!(
            "callback: give a JSON file, and after it, if you like, how many values to print"
        );
        return ExitCode::from(2);
    };
    match print(&path, most) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("callback: {message}");
            ExitCode::FAILURE
        }
    }
}
