//! The tables.

use crate::page::{Part, table};
use segno_benches::goals::{GOALS, Goal, Most};
use segno_benches::headlines::{GROUPS, Group, Headline};
use segno_benches::results::{All, Case};
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
        cells.extend(fields.iter().map(|field| match case.best(field.has) {
            Some(best) => format!("{} {}", value(best), short(&best.who)),
            None => String::new(),
        }));
        cells
    });
    Ok(table(&head, rows.collect()))
}

/// A rival's name without what the case says anyway.
fn short(who: &str) -> &str {
    who.split(',').next().unwrap_or(who)
}

/// A case with everybody in it.
pub(crate) fn case_table(case: &Case) -> Part {
    let (floor, rival) = (case.floor(), case.best_rival());
    let rows = case.rows.iter().map(|row| {
        vec![
            format!("{}: {}", row.kind.word(), row.who),
            value(row),
            spread(row),
            ratio(row.ratio_to(floor)),
            ratio(row.ratio_to(rival)),
            row.again.map_or(String::new(), |again| figures(again) + mark(row)),
            note(row),
        ]
    });
    let unit = &*case.unit;
    let head = [&*case.case, unit, "spread", "x floor", "x best rival", "timed again", "note"];
    table(&head, rows.collect())
}

fn note(row: &Row) -> String {
    let quiet = row.quiet.filter(|quiet| quiet.noisy);
    let noise = quiet
        .map(|quiet| format!("noisy: others used {:.0} % of its processor", quiet.here * 100.0));
    let notes = [Some(row.note.clone()).filter(|note| !note.is_empty()), noise];
    notes.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// All goals, and how far they are reached.
pub(crate) fn goals(all: &All) -> Result<Part, String> {
    let rows: Result<Vec<_>, String> = GOALS.iter().map(|goal| goal_row(all, goal)).collect();
    Ok(table(&["", "goal", "measured", "", "x best rival", "best rival", "why"], rows?))
}

fn goal_row(all: &All, goal: &Goal) -> Result<Vec<String>, String> {
    let line =
        |most: String, measured: String, verdict: &str, ratio: String, rival: String, why: &str| {
            Ok(vec![goal.what.into(), most, measured, verdict.into(), ratio, rival, why.into()])
        };
    let case = all.cases.iter().find(|case| {
        (&*case.question, &*case.case) == (goal.question, goal.case)
            && case.rows.iter().any(|row| row.who == goal.who)
    });
    let case = match case {
        Some(case) => case,
        None if all.results.set == "quick" => {
            let most = limit(goal);
            return line(
                most,
                String::new(),
                "not in the quick set",
                String::new(),
                String::new(),
                "",
            );
        }
        None => {
            return Err(format!("no row `{}` of `{}, {}`", goal.who, goal.question, goal.case));
        }
    };
    let row = case.row(goal.who)?;
    let most = match goal.most {
        Most::Of(most, _) => Some(most),
        Most::Times(times, who) => case.row(who)?.value.map(|value| value * times),
    };
    let reached = row.value.zip(most).is_some_and(|(value, most)| value <= most);
    let rival = case.best_rival();
    let why = match (reached, goal.miss) {
        (true, _) => "",
        (false, "") => "not explained yet",
        (false, why) => why,
    };
    line(
        limit(goal),
        format!("{} {}", value(row), case.unit),
        if reached { "reached" } else { "MISSED" },
        ratio(row.ratio_to(rival)),
        rival.map_or(String::new(), |rival| format!("{} {}", value(rival), short(&rival.who))),
        why,
    )
}

fn limit(goal: &Goal) -> String {
    match goal.most {
        Most::Of(most, unit) => format!("{} {unit}", grouped(&format!("{most}"))),
        Most::Times(times, who) => format!("{times} x {who}"),
    }
}

/// How many goals are reached, and how many there are to measure.
pub(crate) fn reached(all: &All) -> Result<(usize, usize), String> {
    let rows: Result<Vec<_>, String> = GOALS.iter().map(|goal| goal_row(all, goal)).collect();
    let rows = rows?;
    let with = |verdict: &str| rows.iter().filter(|row| row[3] == verdict).count();
    Ok((with("reached"), with("reached") + with("MISSED")))
}

/// The rows that were timed twice.
pub(crate) fn timed_twice(all: &All) -> Part {
    let rows = all.cases.iter().flat_map(|case| &case.rows).filter_map(|row| {
        let (first, again) = (row.value?, row.again?);
        Some(vec![
            format!("{}, {}: {}", row.question, row.case, row.who),
            value(row),
            figures(again),
            format!("{:+.0} %", (again / first - 1.0) * 100.0),
            if agrees(row) { "" } else { "DIFFERS" }.into(),
        ])
    });
    table(&["ns", "in rounds", "in a plain loop", "difference", "note"], rows.collect())
}

/// How many rows were timed twice, and how many of them agree.
pub(crate) fn agreeing(all: &All) -> (usize, usize) {
    let rows = || all.cases.iter().flat_map(|case| &case.rows).filter(|row| row.again.is_some());
    (rows().filter(|row| agrees(row)).count(), rows().count())
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
fn grouped(number: &str) -> String {
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
