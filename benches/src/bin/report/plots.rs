//! The plots: a line for each thing compared, on it a mark for each figure, along a logarithmic axis.
//!
//! Bars would have to begin at zero, which a logarithmic axis does not have; the figures lie too far apart
//! for any other. The fields differ by colour and by shape, so that both the colour-blind and a black and
//! white print can tell them apart.

use crate::tables::{self, FIELDS, figures, found, value};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use segno_benches::headlines::Group;
use segno_benches::results::{All, Case};
use segno_benches::row::{Kind, Row};
use std::error::Error;

/// Pixels of a plot's width.
const WIDTH: u32 = 1000;
/// Of a line's height.
const LINE: u32 = 24;
/// Of what stands above the lines: title and legend.
const TOP: u32 = 66;
/// Of what stands below: the axis.
const BOTTOM: u32 = 46;
/// Of the labels at the left.
const LEFT: u32 = 350;
/// Of the figures at the right.
const RIGHT: u32 = 150;
/// Pixels of a character of a label, on average and generously.
const CHARACTER: f64 = 6.6;

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Whom a mark is for.
#[derive(Clone, Copy, PartialEq)]
enum Series {
    Floor,
    Segno,
    Stackless,
    Stackful,
    Foreign,
}

impl Series {
    const ALL: [Series; 5] =
        [Series::Floor, Series::Segno, Series::Stackless, Series::Stackful, Series::Foreign];

    fn of(row: &Row) -> Series {
        match row.kind {
            Kind::Floor => Series::Floor,
            Kind::Segno => Series::Segno,
            Kind::Foreign => Series::Foreign,
            Kind::Rival if row.is_stackless() => Series::Stackless,
            Kind::Rival => Series::Stackful,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Series::Floor => "floor",
            Series::Segno => "Segno",
            Series::Stackless => "stackless, Rust",
            Series::Stackful => "stackful or threads, Rust",
            Series::Foreign => "outside Rust",
        }
    }

    fn colour(self) -> RGBColor {
        match self {
            Series::Floor => RGBColor(90, 90, 90),
            Series::Segno => RGBColor(0, 90, 200),
            Series::Stackless => RGBColor(213, 94, 0),
            Series::Stackful => RGBColor(0, 130, 90),
            Series::Foreign => RGBColor(150, 60, 150),
        }
    }

    /// Draws the mark at this pixel, in white first, a little larger, so that those that overlap can be told apart.
    fn mark(self, area: &Area<'_>, (x, y): (i32, i32)) -> Drawn {
        for (size, colour) in [(8, WHITE), (7, self.colour())] {
            let full = colour.filled();
            match self {
                Series::Floor if size == 7 => {
                    area.draw(&Rectangle::new([(x - 1, y - 10), (x + 1, y + 10)], full))?
                }
                Series::Segno => area.draw(&Circle::new((x, y), size, full))?,
                Series::Stackless => area.draw(&TriangleMarker::new((x, y), size + 1, full))?,
                Series::Stackful => {
                    let corners = vec![(x, y - size), (x + size, y), (x, y + size), (x - size, y)];
                    area.draw(&Polygon::new(corners, full))?
                }
                Series::Foreign if size == 7 => {
                    let corners = [(x - 6, y - 6), (x + 6, y + 6)];
                    area.draw(&Rectangle::new(corners, colour.stroke_width(2)))?
                }
                Series::Floor | Series::Foreign => {}
            }
        }
        Ok(())
    }
}

/// One line of a plot.
struct Line {
    /// What stands at the left.
    label: String,
    /// The figures: whose, how much, and from where to where it spreads.
    marks: Vec<(Series, f64, Option<[f64; 2]>)>,
    /// What stands at the right.
    text: String,
}

/// How far above or below its line a mark is drawn, where others are at the same place: Segno's is on the line.
fn dodged(marks: &[(Series, i32)]) -> Vec<i32> {
    /// Pixels: closer than this, marks cover each other.
    const CLOSE: i32 = 10;

    let mut placed: Vec<i32> =
        marks.iter().filter(|mark| mark.0 == Series::Segno).map(|mark| mark.1).collect();
    let dodge = |&(series, x): &(Series, i32)| {
        if matches!(series, Series::Segno | Series::Floor) {
            return 0;
        }
        let covered = placed.iter().filter(|other| (*other - x).abs() < CLOSE).count();
        placed.push(x);
        [0, 6, -6, 3].get(covered).copied().unwrap_or_default()
    };
    marks.iter().map(dodge).collect()
}

/// The headlines of a group.
pub(crate) fn headlines(all: &All, group: &Group) -> Result<String, String> {
    let mut lines = Vec::new();
    for headline in group.headlines {
        let (case, segno) = found(all, headline)?;
        let floor = case.floor();
        let best = FIELDS.iter().filter_map(|field| {
            case.best(|row| (field.has)(row) && tables::is_beside(row, headline))
        });
        // Segno over its rivals, and the floor, a thin line, over Segno.
        let rows = best.chain([segno]).chain(floor);
        let ratio = segno.ratio_to(floor);
        let ratio = ratio.map_or(String::new(), |_| format!(" = {} x floor", tables::ratio(ratio)));
        lines.push(Line {
            label: headline.label.replace('`', ""),
            marks: rows.filter_map(|row| Some((Series::of(row), row.value?, None))).collect(),
            text: format!("{}{ratio}", value(segno)),
        });
    }
    let unit = group.headlines.first().map(|headline| found(all, headline)).transpose()?;
    let unit = unit.map_or("ns", |(case, _)| &case.unit);
    let title =
        format!("{}: Segno, its floor, and the best of each kind of rival", capital(group.name));
    let axis = format!("{unit}, smaller is better; from one dark line to the next tenfold");
    draw(&title, &axis, &format!("Segno, {unit}"), &lines)
}

/// A case with everybody in it: the floors, then from the best to the worst, and who cannot.
pub(crate) fn case(case: &Case) -> Result<Option<String>, String> {
    let line = |row: &Row| Line {
        label: match row.kind {
            Kind::Segno => format!("Segno: {}", row.who),
            _ => row.who.clone(),
        },
        marks: row
            .value
            .map(|value| (Series::of(row), value, row.low.zip(row.high).map(<[f64; 2]>::from)))
            .into_iter()
            .collect(),
        text: value(row),
    };
    let mut rows: Vec<&Row> = case.rows.iter().collect();
    rows.sort_by(|a, b| {
        let place = |row: &Row| (row.kind != Kind::Floor, row.value.is_none());
        let value = |row: &Row| row.value.unwrap_or_default();
        place(a).cmp(&place(b)).then(value(a).total_cmp(&value(b)))
    });
    let lines: Vec<Line> = rows.into_iter().map(line).collect();
    if lines.iter().filter(|line| !line.marks.is_empty()).count() < 2 {
        return Ok(None);
    }
    draw(
        &format!("{}: {}", case.question, case.case),
        &format!("{}, smaller is better; from one dark line to the next tenfold", case.unit),
        &case.unit,
        &lines,
    )
    .map(Some)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Draws it, as SVG.
fn draw(title: &str, axis: &str, right: &str, lines: &[Line]) -> Result<String, String> {
    let mut svg = String::new();
    draw_into(&mut svg, title, axis, right, lines).map_err(|error| format!("{title}: {error}"))?;
    Ok(svg + "\n")
}

fn draw_into(svg: &mut String, title: &str, axis: &str, heading: &str, lines: &[Line]) -> Drawn {
    let all = || lines.iter().flat_map(|line| line.marks.iter().map(|mark| mark.1));
    // Whole powers of ten, and some room beside them for a mark that lies on one.
    let decade = |power: f64| 10_f64.powf(power);
    let least = decade(all().fold(f64::INFINITY, f64::min).log10().floor());
    let most = decade(all().fold(0.0, f64::max).log10().ceil()).max(least * 10.0);
    let (least, most) = (least * 0.85, most * 1.15);
    let height = TOP + LINE * lines.len() as u32 + BOTTOM;
    let area = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let black = RGBColor(26, 26, 26);
    let font = |size: i32, anchor| ("sans-serif", size).into_font().color(&black).pos(anchor);
    let (left, right) = (Pos::new(HPos::Left, VPos::Center), Pos::new(HPos::Right, VPos::Center));
    area.draw_text(
        title,
        &("sans-serif", 17).into_font().style(FontStyle::Bold).color(&black).pos(left),
        (14, 20),
    )?;
    legend(&area, lines, &font(13, left))?;
    let bold = ("sans-serif", 13).into_font().style(FontStyle::Bold).color(&black).pos(left);
    area.draw_text(heading, &bold, ((WIDTH - RIGHT) as i32 + 10, 46))?;
    let mut chart = ChartBuilder::on(&area)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(LEFT)
        .build_cartesian_2d((least..most).log_scale(), 0.0..lines.len() as f64)?;
    let decades = (most / least).log10().ceil() as usize;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(decades + 2)
        .x_label_formatter(&|value| figures_of_axis(*value))
        .x_desc(axis)
        .label_style(("sans-serif", 13).into_font().color(&black))
        .axis_desc_style(("sans-serif", 13).into_font().color(&black))
        .light_line_style(RGBColor(238, 238, 238))
        .bold_line_style(RGBColor(200, 200, 200))
        .axis_style(RGBColor(140, 140, 140))
        .draw()?;
    for (number, line) in lines.iter().enumerate() {
        let y = (TOP + LINE * number as u32 + LINE / 2) as i32;
        let from = (LEFT as i32, (WIDTH - RIGHT) as i32);
        area.draw(&PathElement::new([(from.0, y), (from.1, y)], RGBColor(232, 232, 232)))?;
        area.draw_text(&line.label, &font(13, right), (from.0 - 10, y))?;
        area.draw_text(&line.text, &font(13, left), (from.1 + 10, y))?;
        let x = |value: f64| chart.backend_coord(&(value.clamp(least, most), 0.0)).0;
        let places: Vec<_> = line.marks.iter().map(|mark| (mark.0, x(mark.1))).collect();
        for ((series, value, spread), dodge) in line.marks.iter().zip(dodged(&places)) {
            if let Some([low, high]) = *spread {
                let style = series.colour().stroke_width(2);
                area.draw(&PathElement::new([(x(low), y), (x(high), y)], style))?;
            }
            series.mark(&area, (x(*value), y + dodge))?;
        }
    }
    area.present()?;
    drop(chart);
    Ok(())
}

/// Says which mark is whose, of those that are there.
fn legend(area: &Area<'_>, lines: &[Line], font: &TextStyle<'_>) -> Drawn {
    let mut x = 24.0;
    for series in Series::ALL {
        if lines.iter().any(|line| line.marks.iter().any(|mark| mark.0 == series)) {
            series.mark(area, (x as i32, 46))?;
            area.draw_text(series.name(), font, (x as i32 + 14, 46))?;
            x += 14.0 + series.name().len() as f64 * CHARACTER + 30.0;
        }
    }
    Ok(())
}

/// A power of ten, in few characters.
fn figures_of_axis(value: f64) -> String {
    if value < 1.0 {
        format!("{value}")
    } else {
        figures(value.round()).replace(".00", "").replace(".0", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rivals_make_room_and_segno_stays_on_the_line() {
        let marks = [
            (Series::Stackless, 100),
            (Series::Stackful, 104),
            (Series::Foreign, 300),
            (Series::Segno, 102),
            (Series::Floor, 101),
        ];
        assert_eq!(dodged(&marks), [6, -6, 0, 0, 0]);
    }
}
