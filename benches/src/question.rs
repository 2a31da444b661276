//! A question and its contenders, timed by criterion or in rounds.
//!
//! Each bench is a program with one question. `cargo bench` has criterion time its cases, one contender
//! after the other, for who works on one of them; with `--test` each runs once. `report` starts the same
//! programs with `--rounds`, each several times, where the contenders of a case take turns (`rounds.rs`), and collects
//! the sheets that they leave. What is asked and who answers is written down once, in the benches.
//!
//! Of each contender's copies (`copies.rs` says why there are copies) the three fastest are found
//! first, in turns of a millisecond. A sample of criterion's, or a round, then runs each of the three, and
//! the quickest is what it counts: the slow spells of a copy, which can last for milliseconds, seldom
//! fall on all three. Criterion's own loop is not used, so nothing stands between two operations
//! but the contender's own loop.
//!
//! Each case is a criterion group named `QUESTION/CASE`, each contender a function in it named
//! `KIND: WHO`.

use crate::beside::Beside;
use crate::copies::{self, Copy};
use crate::quiet::Pace;
use crate::rounds;
use crate::row::{Kind, Row, write_sheet};
use crate::threads::{last_processor, no_longer_alone, stay_on};
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A loop that says itself how long it took, because not all that it does is to be timed.
pub type Timed = Box<dyn FnMut(u64) -> Duration>;

/// One way to do what a case is about.
pub struct Contender {
    /// What it stands for.
    pub(crate) kind: Kind,
    /// Its name.
    pub(crate) who: &'static str,
    /// Its loop, once or in several copies; empty when it cannot do it.
    pub(crate) copies: Vec<Timed>,
    /// What a reader must know about it.
    pub(crate) note: &'static str,
}

impl Contender {
    /// The barest way that we know. The first contender of a case is one.
    pub fn floor(who: &'static str, copies: Vec<Copy>) -> Contender {
        Contender { kind: Kind::Floor, who, copies: timed(copies), note: "" }
    }

    /// Another way to do the same.
    pub fn rival(who: &'static str, copies: Vec<Copy>) -> Contender {
        Contender { kind: Kind::Rival, who, copies: timed(copies), note: "" }
    }

    /// This library's way.
    pub fn segno(who: &'static str, copies: Vec<Copy>) -> Contender {
        Contender { kind: Kind::Segno, who, copies: timed(copies), note: "" }
    }

    /// A rival that cannot do it: shown, with the reason.
    pub fn cannot(who: &'static str, reason: &'static str) -> Contender {
        Contender { kind: Kind::Rival, who, copies: Vec::new(), note: reason }
    }

    /// Another way to do the same, whose one loop times itself.
    pub fn rival_timed(who: &'static str, run: impl FnMut(u64) -> Duration + 'static) -> Contender {
        Contender::timed(Kind::Rival, who, run)
    }

    /// A contender of any kind, whose one loop times itself.
    pub fn timed(
        kind: Kind,
        who: &'static str,
        run: impl FnMut(u64) -> Duration + 'static,
    ) -> Contender {
        Contender { kind, who, copies: vec![Box::new(run)], note: "" }
    }

    /// Adds what a reader must know to judge the figure.
    pub fn note(self, note: &'static str) -> Contender {
        Contender { note, ..self }
    }
}

/// A question being measured.
pub struct Question {
    /// Its name, that of the bench.
    pub(crate) name: &'static str,
    /// Who times the cases.
    by: By,
    /// The rows so far.
    rows: Vec<Row>,
}

/// Who times.
enum By {
    /// Criterion, with the arguments of the command line.
    Criterion(Box<Criterion>),
    /// `rounds.rs`, in so many rounds, which see how quiet it is by this.
    Rounds(usize, Pace),
}

impl Question {
    /// Begins a question.
    ///
    /// # Panics
    /// With the feature `once`, unless it is run as a test.
    pub fn new(name: &'static str) -> Question {
        assert!(is_test() || copies::COUNT > 1, "the feature `once` is for `--test` alone");
        no_longer_alone();
        if let Some(rounds) = rounds_asked() {
            stay_on(last_processor());
            return Question { name, by: By::Rounds(rounds, Pace::new()), rows: Vec::new() };
        }
        let criterion = Criterion::default()
            .without_plots()
            .sample_size(40)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(800))
            .configure_from_args();
        Question { name, by: By::Criterion(Box::new(criterion)), rows: Vec::new() }
    }

    /// Whether a case is to be measured, one that the bench measures in its own way.
    pub fn wants(&self, case: &str) -> bool {
        wanted(&format!("{}/{case}", self.name))
    }

    /// Adds a row that the bench has measured itself.
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Times the contenders of one case. Their loops are asked for multiples of `step` operations;
    /// the figures are for one operation.
    pub fn case(&mut self, case: &str, step: u64, contenders: Vec<Contender>) {
        assert!(contenders[0].kind == Kind::Floor, "the first contender of a case is its floor");
        let name = format!("{}/{case}", self.name);
        match &mut self.by {
            By::Criterion(criterion) => {
                let rows = by_criterion(criterion, &name, step, contenders);
                let rows = rows.into_iter().map(|(kind, who, note)| {
                    Row::empty(self.name, case, kind, who, "ns").note(note)
                });
                self.rows.extend(rows);
            }
            By::Rounds(rounds, pace) if is_named(&name) => {
                let rows = in_rounds(self.name, case, step, *rounds, pace, contenders);
                self.rows.extend(rows);
            }
            By::Rounds(..) => {}
        }
    }

    /// Ends the question, and leaves a sheet for who asked for rounds.
    pub fn finish(self) {
        leave_sheet(self.name, &self.rows);
    }
}

/// Leaves a sheet with the rows of a question for who asked for rounds.
pub fn leave_sheet(question: &str, rows: &[Row]) {
    if rounds_asked().is_some() {
        write_sheet(question, rows).expect("the target folder can be written to");
    }
}

/// Has the contenders of one case take turns.
fn in_rounds(
    question: &str,
    case: &str,
    step: u64,
    rounds: usize,
    pace: &mut Pace,
    mut contenders: Vec<Contender>,
) -> Vec<Row> {
    for contender in contenders.iter_mut().filter(|each| !each.copies.is_empty()) {
        keep_fastest(&mut contender.copies, step);
    }
    let able = contenders.iter_mut().map(|each| &mut each.copies);
    let able = able.filter(|copies| !copies.is_empty()).collect();
    let beside = Beside::begin(&format!("{question}/{case}"));
    let mut measured = rounds::measure(step, rounds, pace, beside, able).into_iter();
    let row = |Contender { kind, who, copies, note }| {
        let mut row = Row::empty(question, case, kind, who, "ns").note(note);
        if !copies.is_empty() {
            let (figures, quiet) = measured.next().expect("one for each that is able");
            row.measured(figures, quiet);
        }
        println!("{row}");
        row
    };
    contenders.into_iter().map(row).collect()
}

/// Times the contenders one after the other. Gives back who they are.
fn by_criterion(
    criterion: &mut Criterion,
    name: &str,
    step: u64,
    contenders: Vec<Contender>,
) -> Vec<(Kind, &'static str, &'static str)> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(step));
    let mut all = Vec::new();
    for Contender { kind, who, mut copies, note } in contenders {
        all.push((kind, who, note));
        if copies.is_empty() {
            continue;
        }
        let mut sorted = false;
        group.bench_function(format!("{}: {who}", kind.word()), |bencher| {
            if !std::mem::replace(&mut sorted, true) {
                keep_fastest(&mut copies, step);
            }
            bencher.iter_custom(|iterations| {
                let operations = iterations * step;
                let times = copies.iter_mut().map(|copy| copy(operations));
                times.min().expect("there is at least one copy")
            });
        });
    }
    group.finish();
    all
}

/// Lets the harness time what does not time itself.
fn timed(copies: Vec<Copy>) -> Vec<Timed> {
    let timed = |mut copy: Copy| {
        Box::new(move |operations| {
            let start = Instant::now();
            copy(black_box(operations));
            start.elapsed()
        }) as Timed
    };
    copies.into_iter().map(timed).collect()
}

/// Leaves of the copies the three whose quickest turns are the quickest. As a test, runs each once.
pub(crate) fn keep_fastest(copies: &mut Vec<Timed>, step: u64) {
    /// How many stay.
    const KEPT: usize = 3;
    /// Turns for each copy; one may be disturbed, seven will not.
    const TURNS: usize = 7;
    /// And as many where a turn is long: what is disturbed is a small part of it.
    const LONG_TURNS: usize = 2;
    const TURN: Duration = Duration::from_millis(1);

    if is_test() {
        for copy in copies.iter_mut() {
            copy(step);
        }
    }
    if is_test() || copies.len() <= KEPT {
        copies.truncate(KEPT);
        return;
    }
    let mut operations = step;
    let turns = loop {
        match copies[0](operations) {
            took if took < TURN => operations *= 2,
            took if took < 10 * TURN => break TURNS,
            _ => break LONG_TURNS,
        }
    };
    let mut quickest = vec![Duration::MAX; copies.len()];
    for _ in 0..turns {
        for (copy, quickest) in copies.iter_mut().zip(&mut quickest) {
            *quickest = copy(operations).min(*quickest);
        }
    }
    let mut ranked: Vec<_> = quickest.into_iter().zip(copies.drain(..)).collect();
    ranked.sort_by_key(|(quickest, _)| *quickest);
    copies.extend(ranked.into_iter().take(KEPT).map(|(_, copy)| copy));
}

/// The argument, with the number of rounds after it, for rounds instead of criterion.
pub const ROUNDS: &str = "--rounds";

/// How many rounds are asked for, if they are.
fn rounds_asked() -> Option<usize> {
    let after = std::env::args().skip_while(|argument| argument != ROUNDS).nth(1)?;
    Some(after.parse().expect("a number of rounds"))
}

/// The argument that asks for the cases that are measured in rounds and for no others, because those are measured in
/// processes of their own, or otherwise by all the time that they need, and an earlier process has done so.
pub const ROUNDS_ALONE: &str = "--rounds-alone";

/// Whether a case of this name, `QUESTION/CASE`, or one whose name begins so, is to be measured, one that
/// the bench measures in its own way.
pub fn wanted(name: &str) -> bool {
    is_named(name) && !std::env::args().any(|argument| argument == ROUNDS_ALONE)
}

/// Whether the command line has a part of this name, or no names. Rounds may be asked for several.
fn is_named(name: &str) -> bool {
    let filters = filters();
    let asks = |filter: &String| name.contains(filter.as_str()) || filter.starts_with(name);
    filters.is_empty() || filters.iter().any(asks)
}

/// What the names of the cases that are to be measured contain; nothing for all.
fn filters() -> Vec<String> {
    let mut arguments = std::env::args().skip(1);
    let mut filters = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument == ROUNDS {
            arguments.next();
        } else if !argument.starts_with('-') {
            filters.push(argument);
        }
    }
    filters
}

/// Whether the bench runs once, as a test, and not to measure.
pub fn is_test() -> bool {
    let has = |flag| std::env::args().any(|argument| argument == flag);
    has("--test") || !has("--bench")
}
