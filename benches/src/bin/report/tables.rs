//! The tables.

use crate::page::{Part, table};
use segno_benches::goals::{GOALS, Goal, Most};
use segno_benches::headlines::{GROUPS, Group, Headline, LOSSES};
use segno_benches::results::{All, Case, Confirmed, NEAR};
use segno_benches::row::{Kind, Row};

/// Both timings agree when neither is more than this part longer than the other.
const AGREE: f64 = 0.2;
/// Stands before a figure that was measured while it was not quiet.
const NOISY: &str = "~";

/// What a run prints when it is done: the headlines, and how the goals and both timings stand.
pub(crate) fn summary(all: &All) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for group in GROUPS {
        parts.extend([Part::Heading(2, group.name.into()), headlines(all, group)?]);
    }
    let goals = [Part::Heading(2, "goals".into()), goals(all)?];
    let second = [Part::Heading(2, "timed twice".into()), timed_twice(all)];
    parts.extend(goals.into_iter().chain(second));
    Ok(parts)
}

/// A headline's case and Segno's row in it.
pub(crate) fn found<'a>(all: &'a All, headline: &Headline) -> Result<(&'a Case, &'a Row), String> {
    let case = all.case(headline.question, headline.case)?;
    Ok((case, case.row(headline.who)?))
}

/// Whom Segno is compared with, by what they are.
pub(crate) const FIELDS: [Field; 3] = [
    Field { name: "best stackless", has: |row| row.kind == Kind::Rival && row.is_stackless() },
    Field {
        name: "best stackful, or of threads",
        has: |row| row.kind == Kind::Rival && !row.is_stackless(),
    },
    Field { name: "best outside Rust", has: |row| row.kind == Kind::Foreign },
];

/// Some of the rivals.
pub(crate) struct Field {
    /// What the best of them is called.
    pub(crate) name: &'static str,
    /// Who belongs to it.
    pub(crate) has: fn(&Row) -> bool,
}

/// A group of headlines, each with its floor and the best of each field.
pub(crate) fn headlines(all: &All, group: &Group) -> Result<Part, String> {
    let mut fields: Vec<&Field> = FIELDS.iter().collect();
    let cases: Result<Vec<_>, String> =
        group.headlines.iter().map(|headline| found(all, headline)).collect();
    let cases = cases?;
    fields.retain(|field| cases.iter().any(|(case, _)| case.rows.iter().any(field.has)));
    let mut head = vec!["", "floor", "Segno", "x floor"];
    head.extend(fields.iter().map(|field| field.name));
    let rows = group.headlines.iter().zip(cases).map(|(headline, (case, segno))| {
        let floor = case.floor();
        let mut cells = vec![
            headline.label.to_owned(),
            floor.map_or(String::new(), value),
            value(segno),
            ratio(segno.ratio_to(floor)),
        ];
        cells.extend(fields.iter().map(|field| {
            let belongs = |row: &Row| (field.has)(row) && is_beside(row, headline);
            match case.best(belongs) {
                Some(best) => format!("{} {}", value(best), short(&best.who)),
                None if case.rows.iter().any(belongs) => "none can".into(),
                None => String::new(),
            }
        }));
        cells
    });
    Ok(table(&head, rows.collect()))
}

/// Where Segno loses most, and to whom; nothing where that was not measured.
pub(crate) fn losses(all: &All) -> Option<Part> {
    let rows = LOSSES.iter().filter_map(|headline| {
        let (case, segno) = found(all, headline).ok()?;
        let best = case.best(|row| row.kind == Kind::Rival && is_beside(row, headline))?;
        let unit = &*case.unit;
        Some(vec![
            headline.label.to_owned(),
            format!("{} {unit}", value(segno)),
            format!("{} {unit}, {}", value(best), short(&best.who)),
            ratio(segno.ratio_to(Some(best))),
        ])
    });
    let rows: Vec<_> = rows.collect();
    (rows.len() > 1).then(|| table(&["", "Segno", "best rival in Rust", "x rival"], rows))
}

/// Whether a row is one that the headline is compared with.
pub(crate) fn is_beside(row: &Row, headline: &Headline) -> bool {
    row.kind == Kind::Foreign || row.who.contains(headline.beside)
}

/// A rival's name without what the case says anyway.
fn short(who: &str) -> &str {
    who.split(',').next().unwrap_or(who)
}

/// How far two runs agree.
pub(crate) fn agreement(confirmed: &Confirmed) -> String {
    format!(
        "{} of {} figures agree within {:.0} %, by their ratio to the floor",
        confirmed.agree,
        confirmed.of,
        (NEAR - 1.0) * 100.0
    )
}

/// A case with everybody in it. `best` is the best pace of the run.
pub(crate) fn case_table(case: &Case, best: Option<f64>) -> Part {
    let (floor, rival) = (case.floor(), case.best_rival());
    let rows = case.rows.iter().map(|row| {
        vec![
            format!("{}: {}", row.kind.word(), row.who),
            value(row),
            spread(row),
            ratio(row.ratio_to(floor)),
            ratio(row.ratio_to(rival)),
            row.again.map_or(String::new(), |again| figures(again) + mark(row)),
            note(row, best),
        ]
    });
    let unit = &*case.unit;
    let head = [&*case.case, unit, "spread", "x floor", "x best rival", "timed again", "note"];
    table(&head, rows.collect())
}

fn note(row: &Row, best: Option<f64>) -> String {
    let noise = row.quiet.filter(|quiet| quiet.noisy).map(|quiet| {
        let others = format!("noisy: others used {:.0} % of its processor", quiet.here * 100.0);
        let pace = quiet.pace.zip(best);
        let pace = pace.map(|(pace, best)| format!(", a pace took {:.2} x the best", pace / best));
        others + &pace.unwrap_or_default()
    });
    let notes = [Some(row.note.clone()).filter(|note| !note.is_empty()), noise];
    notes.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// From which amount of work on it does not matter any more who pauses; nothing if that was not measured.
pub(crate) fn work(all: &All) -> Option<Part> {
    const MEET: &str = " from which on Segno is within 5 %";

    let cases = all.cases.iter().filter(|case| case.question == "work");
    let meet = cases.filter_map(|case| {
        let (what, item) = case.case.strip_suffix(MEET)?.split_once(", work for ")?;
        Some((format!("{what}, {item}"), case))
    });
    let rows = meet.flat_map(|(what, case)| {
        case.rows.iter().map(move |row| {
            let alone = row.note.trim_start_matches("without work Segno takes ");
            vec![what.clone(), row.who.clone(), alone.to_owned(), value(row)]
        })
    });
    let rows: Vec<_> = rows.collect();
    let head = ["", "who", "without work Segno takes", "within 5 % from ns of work on"];
    (!rows.is_empty()).then(|| table(&head, rows))
}

/// All goals, and how far they are reached.
pub(crate) fn goals(all: &All) -> Result<Part, String> {
    let verdicts: Result<Vec<_>, String> = GOALS.iter().map(|goal| judge(all, goal)).collect();
    let rows = GOALS.iter().zip(verdicts?).map(|(goal, verdict)| {
        let mut cells = vec![goal.what.to_owned(), limit(goal), String::new()];
        let Some(Verdict { case, row, goal_ratio, by_ratio, reached }) = verdict else {
            cells.extend([limit_ratio(goal), String::new(), "not in the quick set".into()]);
            cells.resize(9, String::new());
            return cells;
        };
        cells[2] = format!("{} {}", value(row), case.unit);
        let rival = case.best_rival();
        let why = match (reached, goal.miss) {
            (true, _) => "",
            (false, "") => "not explained yet",
            (false, why) => why,
        };
        cells.extend([
            if by_ratio { ratio(goal_ratio) } else { String::new() },
            if by_ratio { ratio(row.ratio_to(beside(case, goal))) } else { String::new() },
            match (reached, by_figure(goal, row)) {
                (true, true) => "reached",
                (true, false) => "reached by ratio",
                (false, _) => "MISSED",
            }
            .into(),
            ratio(row.ratio_to(rival)),
            rival.map_or(String::new(), |rival| format!("{} {}", value(rival), short(&rival.who))),
            why.into(),
        ]);
        cells
    });
    let head =
        ["", "goal", "measured", "goal ratio", "ratio", "", "x best rival", "best rival", "why"];
    Ok(table(&head, rows.collect()))
}

/// How a goal stands.
struct Verdict<'a> {
    /// Its case.
    case: &'a Case,
    /// Segno's row there.
    row: &'a Row,
    /// What the ratio to the floor, or to the row that the goal names, may be.
    goal_ratio: Option<f64>,
    /// Whether that is what counts.
    by_ratio: bool,
    /// Whether it is reached.
    reached: bool,
}

/// Judges a goal by its ratio to the floor of the same run, where it was set beside one, and else by the figure. Nothing
/// where the run did not ask for the case.
fn judge<'a>(all: &'a All, goal: &Goal) -> Result<Option<Verdict<'a>>, String> {
    let case = all.cases.iter().find(|case| {
        (&*case.question, &*case.case) == (goal.question, goal.case)
            && case.rows.iter().any(|row| row.who == goal.who)
    });
    let case = match case {
        Some(case) => case,
        None if all.results.set == "quick" => return Ok(None),
        None => {
            return Err(format!("no row `{}` of `{}, {}`", goal.who, goal.question, goal.case));
        }
    };
    let row = case.row(goal.who)?;
    let ratio = row.ratio_to(beside(case, goal));
    let goal_ratio = ratio_of(goal);
    let (by_ratio, reached) = match (ratio.zip(goal_ratio), goal.most) {
        (Some((ratio, most)), _) => (true, ratio <= most),
        (None, Most::Of(most, _) | Most::Beside(most, ..)) => {
            (false, row.value.is_some_and(|value| value <= most))
        }
        (None, Most::Times(..)) => (false, false),
    };
    Ok(Some(Verdict { case, row, goal_ratio, by_ratio, reached }))
}

/// What a goal's figure is compared with.
fn beside<'a>(case: &'a Case, goal: &Goal) -> Option<&'a Row> {
    match goal.most {
        Most::Of(..) => None,
        Most::Beside(..) => case.floor(),
        Most::Times(_, who) => case.row(who).ok(),
    }
}

fn ratio_of(goal: &Goal) -> Option<f64> {
    match goal.most {
        Most::Of(..) => None,
        Most::Beside(most, _, floor) => Some(most / floor),
        Most::Times(times, _) => Some(times),
    }
}

fn limit_ratio(goal: &Goal) -> String {
    ratio(ratio_of(goal))
}

fn limit(goal: &Goal) -> String {
    match goal.most {
        Most::Of(most, unit) | Most::Beside(most, unit, _) => {
            format!("{} {unit}", grouped(&format!("{most}")))
        }
        Most::Times(times, who) => format!("{times} x {who}"),
    }
}

/// Whether the figure itself is no more than the goal's, if that is a figure.
fn by_figure(goal: &Goal, row: &Row) -> bool {
    match goal.most {
        Most::Of(most, _) | Most::Beside(most, ..) => row.value.is_some_and(|value| value <= most),
        Most::Times(..) => true,
    }
}

/// How many goals are reached, how many of them by the figure, too, and how many there are to measure.
pub(crate) fn reached(all: &All) -> Result<[usize; 3], String> {
    let mut counts = [0; 3];
    for goal in GOALS {
        let Some(Verdict { row, reached, .. }) = judge(all, goal)? else { continue };
        counts[0] += usize::from(reached);
        counts[1] += usize::from(reached && by_figure(goal, row));
        counts[2] += 1;
    }
    Ok(counts)
}

/// How goals are judged, for above their table: the columns `goal ratio` and `ratio` are what counts.
pub(crate) const JUDGED: &str = "A goal was set beside what the floor took on one machine, so where it has a floor \
    the ratio decides, the figure by the floor of the same run against the goal by the floor that it was set beside: \
    a slower machine does not turn a hit into a miss, nor a faster one a miss into a hit. `reached by ratio` says that the \
    figure alone is above the goal's. Where there is no such floor, and of bytes, the figure decides.";

/// The rows that were timed twice.
pub(crate) fn timed_twice(all: &All) -> Part {
    let rows = all.cases.iter().flat_map(|case| case.rows.iter().map(move |row| (case, row)));
    let rows = rows.filter_map(|(case, row)| {
        let (first, again) = (row.value?, row.again?);
        let floor = case.floor();
        let again_to_floor = floor.and_then(|floor| Some(again / floor.again?));
        Some(vec![
            format!("{}, {}: {}", row.question, row.case, row.who),
            value(row),
            figures(again),
            format!("{:+.0} %", (again / first - 1.0) * 100.0),
            match (agrees(row), row.quiet.is_some_and(|quiet| quiet.noisy)) {
                (true, _) => "",
                (false, true) => "differs; noisy",
                (false, false) => "DIFFERS",
            }
            .into(),
            ratio(again_to_floor.and_then(|_| row.ratio_to(floor))),
            ratio(again_to_floor),
        ])
    });
    let head =
        ["ns", "in rounds", "in a plain loop", "difference", "note", "x floor", "in a plain loop"];
    table(&head, rows.collect())
}

/// How many rows agree that were timed twice, how many of these there are, and how many of those that do not agree are
/// noisy.
pub(crate) fn agreeing(all: &All) -> [usize; 3] {
    let rows = || all.cases.iter().flat_map(|case| &case.rows).filter(|row| row.again.is_some());
    let noisy = |row: &&Row| row.quiet.is_some_and(|quiet| quiet.noisy);
    let agree = rows().filter(|row| agrees(row)).count();
    [agree, rows().count(), rows().filter(|row| !agrees(row)).filter(noisy).count()]
}

fn agrees(row: &Row) -> bool {
    let ratio = row.again.zip(row.value).map_or(1.0, |(again, value)| again / value);
    ratio.max(1.0 / ratio) <= 1.0 + AGREE
}

fn mark(row: &Row) -> &'static str {
    if agrees(row) { "" } else { " (!)" }
}

/// A figure, marked when it is noisy.
pub(crate) fn value(row: &Row) -> String {
    let noisy = row.quiet.is_some_and(|quiet| quiet.noisy);
    match row.value {
        Some(value) if noisy => format!("{NOISY}{}", figures(value)),
        Some(value) => figures(value),
        None => "cannot".into(),
    }
}

fn spread(row: &Row) -> String {
    row.low
        .zip(row.high)
        .map_or(String::new(), |(low, high)| format!("{}..{}", figures(low), figures(high)))
}

/// A ratio with as many digits as mean something.
pub(crate) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or(String::new(), |ratio| match ratio {
        100.0.. => grouped(&format!("{ratio:.0}")),
        10.0..100.0 => format!("{ratio:.1}"),
        0.1..10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.4}"),
    })
}

/// A number with as many digits as mean something.
pub(crate) fn figures(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => grouped(&format!("{value:.0}")),
    }
}

/// A number as people write it: 1,000,000.
pub(crate) fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_once('.').map_or((number, ""), |(whole, rest)| (whole, rest));
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if rest.is_empty() { text } else { format!("{text}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segno_benches::machine;
    use segno_benches::results::{FORMAT, Foreign, Results};

    /// A run in which the floor and Segno took so long to resume and pause, and nothing else was asked.
    fn run(floor: Option<f64>, segno: f64) -> All {
        let row = |kind, who, value| Row {
            value,
            ..Row::empty("switch", "resume and pause", kind, who, "ns")
        };
        let rows =
            vec![row(Kind::Floor, "corosensei", floor), row(Kind::Segno, "Coroutine", Some(segno))];
        let (date, cpu, kernel) = (String::new(), String::new(), String::new());
        let (rounds, waited, repeated, versions) = (1, 0.0, 0, Default::default());
        let foreign =
            Foreign { date, cpu, kernel, rounds, waited, repeated, versions, rows: Vec::new() };
        let machine = machine::describe();
        let set = "quick".into();
        let results = Results { format: FORMAT, set, machine, rows, confirmed: None };
        All::of(results, foreign).expect("nothing is missing")
    }

    #[test]
    fn the_speed_of_the_machine_changes_no_verdict() {
        let reached = |floor, segno| {
            let all = run(floor, segno);
            let verdict = judge(&all, &GOALS[0]).expect("it has the row");
            verdict.expect("it was asked").reached
        };
        // The goal is 3 ns beside 2.
        for slower in [0.5, 1.0, 1.7] {
            assert!(reached(Some(2.0 * slower), 2.9 * slower));
            assert!(!reached(Some(2.0 * slower), 3.1 * slower));
        }
        assert!(reached(None, 2.9) && !reached(None, 3.1), "without a floor the figure counts");
    }
}
