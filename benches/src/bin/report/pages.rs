//! Which page has what; writes the pages, or checks that they are what the figures say.

use crate::page::{self, Part};
use crate::{curves, plots, tables};
use segno_benches::headlines::{GROUPS, Group};
use segno_benches::results::{All, best_pace, folder};
use segno_benches::rounds::Quiet;
use std::fs;
use std::path::PathBuf;

/// The pages of others that have tables of ours, from the workspace's root. Between a line
/// `<!-- figures: NAME -->` and the next `<!-- end -->` everything is ours.
const GUESTS: [&str; 2] = ["README.md", "src/docs/stackful_or_stackless.md"];
const BEGIN: &str = "<!-- figures: ";
const END: &str = "<!-- end -->";

/// Writes all pages; those of others too, if `guests`.
pub(crate) fn write(all: &All, guests: bool) -> Result<(), String> {
    let mut files = own(all)?;
    files.push((folder().join("report.html"), html(all)?));
    if guests {
        files.extend(guests_pages(all)?);
    }
    for (path, text) in files {
        let parent = path.parent().unwrap_or(&path);
        let done = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        done.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Complains about the pages that are not what the figures say.
pub(crate) fn check(all: &All) -> Result<(), String> {
    let mut files = own(all)?;
    files.extend(guests_pages(all)?);
    let differ =
        |(path, text): &(PathBuf, String)| fs::read_to_string(path).ok().as_ref() != Some(text);
    let stale: Vec<_> = files.iter().filter(|file| differ(file)).map(|(path, _)| path).collect();
    if stale.is_empty() {
        println!("{} pages and plots are what the figures say", files.len());
        return Ok(());
    }
    let stale = stale.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(format!("not what the figures say: {stale}; run `report -- --readme`"))
}

/// The report and the plots that it and others link to.
fn own(all: &All) -> Result<Vec<(PathBuf, String)>, String> {
    let mut files = vec![(folder().join("report.md"), page::markdown(&report(all, false)?))];
    for group in GROUPS {
        let path = folder().join("plots").join(group.name).with_extension("svg");
        files.push((path, plot(all, group)?));
    }
    for (name, cases) in curves::find(all) {
        let path = folder().join("plots").join(file_name(&name)).with_extension("svg");
        files.push((path, curves::draw(&name, &cases)?));
    }
    Ok(files)
}

/// A name as that of a file.
fn file_name(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-").to_lowercase()
}

/// The plot of a group. Of memory it shows everybody: there is one case.
fn plot(all: &All, group: &Group) -> Result<String, String> {
    if group.name != "memory" {
        return plots::headlines(all, group);
    }
    let case = all.case("memory", "100,000 paused")?;
    plots::case(case)?.ok_or("there is nothing to compare in `memory`".into())
}

fn html(all: &All) -> Result<String, String> {
    Ok(page::html("Segno: stackful against stackless", &report(all, true)?))
}

/// The report. Plots of single cases are in it if it is to stand alone.
fn report(all: &All, alone: bool) -> Result<Vec<Part>, String> {
    let heading = |level, words: &str| Part::Heading(level, words.into());
    let mut parts =
        vec![heading(1, "Stackful against stackless: what Segno costs"), Part::Text(about(all)?)];
    for group in GROUPS {
        parts.push(heading(2, &capital(group.name)));
        parts.push(Part::Text(group.about.into()));
        let words = format!("Segno, its floor and the best rivals: {}", group.name);
        parts.push(Part::Plot(group.name.into(), words, plot(all, group)?));
        parts.push(tables::headlines(all, group)?);
    }
    let curves = curves::find(all);
    if !curves.is_empty() {
        parts.push(heading(2, "Real work"));
        parts.push(Part::Text(
            "All contenders of a plot do the same for each item, and pause in between. The more there is to do, the \
             less it matters who pauses. Both axes are logarithmic."
                .into(),
        ));
    }
    for (name, cases) in curves {
        let words = format!("{name}: by how much everybody is slower than the floor");
        parts.push(Part::Plot(file_name(&name), words, curves::draw(&name, &cases)?));
    }
    parts.extend(tables::work(all));
    parts.push(heading(2, "Goals"));
    parts.push(Part::Text(goals(all)?));
    parts.push(tables::goals(all)?);
    parts.push(heading(2, "Timed twice"));
    let [agree, twice, noisy] = tables::agreeing(all);
    parts.push(Part::Text(format!(
        "The headlines are timed a second time by other code in another process, between the rounds of the first. \
         {agree} of {twice} figures agree within 20 %. Of the {} others, which are marked, {noisy} are noisy: they depend on \
         where chance has put memory or code, which is drawn anew for each of the three processes that measure a case.",
        twice - agree
    )));
    parts.push(tables::timed_twice(all));
    if let Some(confirmed) = &all.results.confirmed {
        parts.push(heading(2, "Measured twice"));
        parts.push(Part::Text(format!(
            "Everything was measured a second time, on {}: {}.",
            confirmed.date,
            tables::agreement(confirmed)
        )));
        let lines = confirmed.unlike.iter().map(|line| vec![line.clone()]);
        parts.push(page::table(&["unlike: the first run and the second"], lines.collect()));
    }
    parts.push(heading(2, "Every case"));
    let best = best_pace(&all.results.rows);
    let mut question = "";
    for case in &all.cases {
        if case.question != question {
            question = &case.question;
            parts.push(heading(3, question));
        }
        if let Some(svg) = alone.then(|| plots::case(case)).transpose()?.flatten() {
            parts.push(Part::Plot(String::new(), format!("{}: {}", case.question, case.case), svg));
        }
        parts.push(tables::case_table(case, best));
    }
    parts.push(heading(2, "Machine and versions"));
    parts.extend(machine(all));
    Ok(parts)
}

fn about(all: &All) -> Result<String, String> {
    let rows = || all.results.rows.iter().filter_map(|row| row.quiet);
    let noisy = rows().filter(|quiet| quiet.noisy).count();
    let mean = |part: fn(Quiet) -> f64| {
        100.0 * rows().map(part).sum::<f64>() / rows().count().max(1) as f64
    };
    let [reached, by_figure, goals] = tables::reached(all)?;
    let set = match &*all.results.set {
        "full" => "all cases of all benches",
        _ => "the quick set, the headlines alone",
    };
    let confirmed = confirmed(all);
    Ok(format!(
        "Measured on {} on {}, {}: {set}. The contenders of a case take turns, pinned to one processor, and the \
         quietest rounds count. Three processes measure the same, and the median of their medians is the figure; the \
         spread is from the lowest of their tenth percentiles to the highest of their ninetieth. Others used {:.0} % of all processors meanwhile, {:.0} % of that one; {noisy} of {} figures that \
         were measured so are noisy and marked `~`; the others come from processes of their own or take all processors, and \
         nothing is known of how quiet those were.{} \
         The rivals outside Rust were measured on {} in {} rounds, in processes of their own; others had {:.0} % of \
         their processor. {reached} of {goals} goals are reached, {by_figure} of them by the figure, too.{confirmed}",
        all.results.machine.date,
        all.results.machine.cpu,
        all.results.machine.kernel,
        mean(|quiet| quiet.others),
        mean(|quiet| quiet.here),
        rows().count(),
        pace(all),
        all.foreign.date,
        all.foreign.rounds,
        all.foreign.waited * 100.0,
    ))
}

/// A sentence on how quiet the core was, if the run has looked.
fn pace(all: &All) -> String {
    let rows = all.results.rows.iter();
    let mut paces: Vec<f64> = rows.filter_map(|row| row.quiet?.pace).collect();
    paces.sort_by(f64::total_cmp);
    let middle = paces.get(paces.len() / 2).zip(best_pace(&all.results.rows));
    middle.map_or(String::new(), |(pace, best)| {
        format!(
            " Between the rounds something is timed that is always the same; it took {:.2} times the best of the run in \
             half of the cases, or less.",
            pace / best
        )
    })
}

/// A sentence on how far a second run agrees, if there was one.
fn confirmed(all: &All) -> String {
    all.results.confirmed.as_ref().map_or(String::new(), |confirmed| {
        format!(" A second run on {}: {}.", confirmed.date, tables::agreement(confirmed))
    })
}

fn goals(all: &All) -> Result<String, String> {
    let [reached, by_figure, goals] = tables::reached(all)?;
    Ok(format!(
        "{reached} of {goals} are reached, {by_figure} of them by the figure, too. The goals were set before the library was written, from a prototype and \
         what the rivals need. {}",
        tables::JUDGED
    ))
}

fn machine(all: &All) -> [Part; 1] {
    let machine = &all.results.machine;
    let line = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
    let mut rows = vec![
        line("processor", &machine.cpu),
        line("kernel", &machine.kernel),
        line("compiler", &machine.rustc),
        line("commit", &machine.commit),
    ];
    rows.extend(machine.versions.iter().map(|(name, version)| line(name, version)));
    rows.push(line("processor, outside Rust", &all.foreign.cpu));
    rows.push(line("kernel, outside Rust", &all.foreign.kernel));
    rows.extend(all.foreign.versions.iter().map(|(name, version)| line(name, version)));
    [page::table(&["", "who"], rows)]
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The pages of others, with what is ours put in anew.
fn guests_pages(all: &All) -> Result<Vec<(PathBuf, String)>, String> {
    let root = folder().parent().map(PathBuf::from).ok_or("there is no workspace")?;
    GUESTS
        .iter()
        .map(|name| {
            let path = root.join(name);
            let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
            let filled = filled(&text, |name| guest(name, all));
            Ok((path, filled.map_err(|error| format!("{name}: {error}"))?))
        })
        .collect()
}

/// A text with what is between its markers replaced by what `ours` says, by the marker's name.
fn filled(text: &str, ours: impl Fn(&str) -> Result<Vec<Part>, String>) -> Result<String, String> {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->\n").ok_or("a marker without an end")?;
        let (_, after) = after.split_once(END).ok_or("a marker without its partner")?;
        let text = page::markdown(&ours(name)?);
        done.push_str(&format!("{before}{BEGIN}{name} -->\n{}\n{END}", text.trim_end()));
        rest = after;
    }
    Ok(done + rest)
}

/// What belongs between markers of this name.
fn guest(name: &str, all: &All) -> Result<Vec<Part>, String> {
    if name == "machine" {
        let machine = &all.results.machine;
        return Ok(vec![Part::Text(format!(
            "{}, {}, {}, {}; rivals outside Rust: {}.{}",
            machine.date,
            machine.cpu,
            machine.kernel,
            machine.rustc,
            all.foreign
                .versions
                .iter()
                .map(|(name, version)| format!("{name} {version}"))
                .collect::<Vec<_>>()
                .join(", "),
            confirmed(all)
        ))]);
    }
    if name == "goals" {
        return Ok(vec![Part::Text(tables::JUDGED.into()), tables::goals(all)?]);
    }
    let none = || Part::Text("The quick set has nothing of it.".into());
    if name == "work" {
        return Ok(vec![tables::work(all).unwrap_or_else(none)]);
    }
    if name == "losses" {
        return Ok(vec![tables::losses(all).unwrap_or_else(none)]);
    }
    let group = GROUPS.iter().find(|group| group.name == name);
    let group = group.ok_or_else(|| format!("there is no group of headlines `{name}`"))?;
    Ok(vec![Part::Text(group.about.into()), tables::headlines(all, group)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(name: &str) -> Result<Vec<Part>, String> {
        if name == "known" { Ok(vec![Part::Text("new".into())]) } else { Err("unknown".into()) }
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = |words: &str| format!("a\n<!-- figures: known -->\n{words}<!-- end -->\nb\n");
        assert_eq!(filled(&page("old\nolder\n"), ours), Ok(page("new\n")));
        assert_eq!(filled(&page(""), ours), Ok(page("new\n")));
        assert_eq!(filled(&page("new\n"), ours), Ok(page("new\n")));
    }

    #[test]
    fn a_marker_that_nobody_knows_or_ends_is_an_error() {
        assert!(filled("<!-- figures: other -->\n<!-- end -->", ours).is_err());
        assert!(filled("<!-- figures: known -->\n", ours).is_err());
    }
}
