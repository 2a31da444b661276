//! A question and its contenders, timed by criterion.
//!
//! Of each contender's copies (`copies.rs` says why there are copies) the three fastest are found
//! first, in turns of a millisecond. A sample of criterion's then runs each of the three, and the
//! quickest is what it counts: the slow spells of a copy, which can last for milliseconds, seldom
//! fall on all three. Criterion's own loop is not used, so nothing stands between two operations
//! but the contender's own loop.
//!
//! Each case is a criterion group named `QUESTION/CASE`, each contender a function in it named
//! `KIND: WHO`; `collect` finds the estimates by those names.

use crate::copies::{self, Copy};
use crate::row::{Kind, Row, write_sheet};
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
    /// The least that can be hoped for. The first contender of a case is one.
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
    /// Criterion, with the arguments of the command line.
    criterion: Criterion,
    /// The rows so far.
    rows: Vec<Row>,
}

impl Question {
    /// Begins a question.
    ///
    /// # Panics
    /// With the feature `once`, unless it is run as a test.
    pub fn new(name: &'static str) -> Question {
        assert!(is_test() || copies::COUNT > 1, "the feature `once` is for `--test` alone");
        let criterion = Criterion::default()
            .without_plots()
            .sample_size(40)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_millis(800))
            .configure_from_args();
        Question { name, criterion, rows: Vec::new() }
    }

    /// Whether a case is to be measured, one that the bench measures without criterion.
    pub fn wants(&self, case: &str) -> bool {
        filter().is_none_or(|filter| format!("{}/{case}", self.name).contains(&filter))
    }

    /// Adds a row that the bench has measured itself.
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Times the contenders of one case. Their loops are asked for multiples of `step` operations;
    /// the figures are for one operation.
    pub fn case(&mut self, case: &str, step: u64, contenders: Vec<Contender>) {
        assert!(contenders[0].kind == Kind::Floor, "the first contender of a case is its floor");
        let mut group = self.criterion.benchmark_group(format!("{}/{case}", self.name));
        group.throughput(Throughput::Elements(step));
        for Contender { kind, who, mut copies, note } in contenders {
            self.rows.push(Row::empty(self.name, case, kind, who, "ns").note(note));
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
    }

    /// Ends the question and leaves its sheet for `collect`, if nothing was left out.
    pub fn finish(self) {
        if !is_test() && filter().is_none() {
            write_sheet(self.name, &self.rows).expect("the target folder can be written to");
        }
    }
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
    while copies[0](operations) < TURN {
        operations *= 2;
    }
    let mut quickest = vec![Duration::MAX; copies.len()];
    for _ in 0..TURNS {
        for (copy, quickest) in copies.iter_mut().zip(&mut quickest) {
            *quickest = copy(operations).min(*quickest);
        }
    }
    let mut ranked: Vec<_> = quickest.into_iter().zip(copies.drain(..)).collect();
    ranked.sort_by_key(|(quickest, _)| *quickest);
    copies.extend(ranked.into_iter().take(KEPT).map(|(_, copy)| copy));
}

/// What the names of the cases that are to be measured contain; `None` for all.
pub fn filter() -> Option<String> {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-'))
}

/// Whether the bench runs once, as a test, and not to measure.
pub fn is_test() -> bool {
    let has = |flag| std::env::args().any(|argument| argument == flag);
    has("--test") || !has("--bench")
}
