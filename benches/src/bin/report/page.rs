//! A page of headings, texts, tables and plots, as Markdown or HTML.

use std::fmt::Write;

/// A part of a page.
pub(crate) enum Part {
    /// A heading of this level.
    Heading(u8, String),
    /// A paragraph; what stands between backticks is code.
    Text(String),
    /// A table: the head, then rows of as many cells. All columns but the first and those whose heading
    /// is `note`, `who` or `why` are figures, and aligned to the right.
    Table(Vec<String>, Vec<Vec<String>>),
    /// A plot: the name of its file, what it shows, and the SVG.
    Plot(String, String, String),
}

/// A table out of anything that can be a text.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<String>>) -> Part {
    Part::Table(head.iter().map(|cell| cell.to_string()).collect(), rows)
}

fn is_words(column: usize, head: &str) -> bool {
    column == 0 || ["note", "who", "why"].contains(&head)
}

/// As Markdown. Plots are links into the folder `plots`.
pub(crate) fn markdown(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Heading(level, words) => {
                let _ = writeln!(text, "{} {words}\n", "#".repeat(usize::from(*level)));
            }
            Part::Text(words) => text.push_str(&(wrapped(words) + "\n\n")),
            Part::Table(head, rows) => {
                let cell = |cell: &String| match &*cell.replace('|', "\\|") {
                    "" => "| ".to_owned(),
                    words => format!("| {words} "),
                };
                let line = |cells: &[String]| cells.iter().map(cell).collect::<String>() + "|\n";
                text.push_str(&line(head));
                let rule = head
                    .iter()
                    .enumerate()
                    .map(|(column, head)| if is_words(column, head) { "---|" } else { "---:|" });
                let _ = writeln!(text, "|{}", rule.collect::<String>());
                rows.iter().for_each(|row| text.push_str(&line(row)));
                text.push('\n');
            }
            Part::Plot(name, words, _) => {
                let _ = writeln!(text, "![{words}](plots/{name}.svg)\n");
            }
        }
    }
    text
}

/// A paragraph in lines of at most 110 characters.
fn wrapped(words: &str) -> String {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.chars().count() + word.chars().count() >= 110 {
            lines.push(word.into());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// As HTML that needs no other file.
pub(crate) fn html(title: &str, parts: &[Part]) -> String {
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <style>{STYLE}</style></head><body>\n"
    );
    let _ = writeln!(text, "<nav>{}</nav>", contents(parts));
    for part in parts {
        match part {
            Part::Heading(level, words) => {
                let _ = writeln!(
                    text,
                    "<h{level} id=\"{}\">{}</h{level}>",
                    anchor(words),
                    escaped(words)
                );
            }
            Part::Text(words) => {
                let _ = writeln!(text, "<p>{}</p>", escaped(words));
            }
            Part::Table(head, rows) => {
                let class = |column: usize| if is_words(column, &head[column]) { "w" } else { "n" };
                let line = |cells: &[String], tag| {
                    let cells = cells.iter().enumerate().map(|(column, cell)| {
                        format!("<{tag} class=\"{}\">{}</{tag}>", class(column), escaped(cell))
                    });
                    format!("<tr>{}</tr>\n", cells.collect::<String>())
                };
                let rows = rows.iter().map(|row| line(row, "td")).collect::<String>();
                let _ = writeln!(text, "<div><table>{}{rows}</table></div>", line(head, "th"));
            }
            Part::Plot(_, words, svg) => {
                let svg = svg.replace(
                    "<svg ",
                    &format!("<svg role=\"img\" aria-label=\"{}\" ", escaped(words)),
                );
                let _ = writeln!(text, "<figure>{svg}</figure>");
            }
        }
    }
    text + "</body></html>\n"
}

/// Links to the headings of the second level.
fn contents(parts: &[Part]) -> String {
    let link = |words: &String| format!("<a href=\"#{}\">{}</a> ", anchor(words), escaped(words));
    let heading = |part: &Part| match part {
        Part::Heading(2, words) => Some(link(words)),
        _ => None,
    };
    parts.iter().filter_map(heading).collect()
}

fn anchor(words: &str) -> String {
    words.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}

/// With what is special in HTML made harmless, and code between backticks marked.
fn escaped(words: &str) -> String {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let words = words.replace('"', "&quot;");
    let pieces = words.split('`').enumerate();
    pieces
        .map(|(i, piece)| if i % 2 == 0 { piece.into() } else { format!("<code>{piece}</code>") })
        .collect()
}

const STYLE: &str = "
    body { font: 16px/1.5 system-ui,sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
        color: #1a1a1a; background: #fff }
    table { border-collapse: collapse; font-size: .9rem }
    td, th { padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
    th { text-align: left; background: #f4f4f4 }
    .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
    div { overflow-x: auto; margin: 1rem 0 }
    figure { margin: 1rem 0 }
    svg { max-width: 100%; height: auto }
    td.w:first-child { min-width: 12rem }
    td.w:last-child:not(:first-child) { min-width: 18rem }
    nav a { margin-right: 1rem }
    h2 { margin-top: 3rem }
    code { background: #f4f4f4 }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_figures_at_the_right_and_nothing_special_in_it() {
        let part = || {
            table(&["", "ns", "note"], vec![vec!["a|b".into(), String::new(), "<c> `d`".into()]])
        };
        assert_eq!(
            markdown(&[part()]),
            "| | ns | note |\n|---|---:|---|\n| a\\|b | | <c> `d` |\n\n"
        );
        assert!(html("", &[part()]).contains("<td class=\"w\">&lt;c&gt; <code>d</code></td>"));
    }
}
