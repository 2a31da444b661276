//! The plots of more and more work between two pauses: by how much everybody is slower than the floor.

use crate::tables::grouped;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use segno_benches::results::{All, Case};
use segno_benches::row::Kind;
use std::error::Error;

/// Pixels of a plot's width, of its height, and of the names at the right.
const WIDTH: u32 = 1000;
const HEIGHT: u32 = 460;
const RIGHT: u32 = 270;
/// So close is close.
const CLOSE: f64 = 1.05;

/// Colours for those who are not Segno, which the colour-blind can tell apart.
const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 130, 90),
    RGBColor(150, 60, 150),
    RGBColor(200, 140, 0),
    RGBColor(60, 160, 220),
    RGBColor(120, 120, 120),
    RGBColor(170, 30, 60),
];
const SEGNO: RGBColor = RGBColor(0, 90, 200);
const BLACK: RGBColor = RGBColor(26, 26, 26);

/// The cases that differ by nothing but the work for each item, which their names say behind the last comma.
pub(crate) fn find(all: &All) -> Vec<(String, Vec<&Case>)> {
    let mut curves: Vec<(String, Vec<&Case>)> = Vec::new();
    for case in &all.cases {
        let Some((name, work)) = case.case.rsplit_once(", ") else { continue };
        let is_amount = work.contains("work for each") && !work.contains("from which on");
        if !is_amount {
            continue;
        }
        let name = format!("{}: {name}", case.question);
        match curves.iter_mut().find(|curve| curve.0 == name) {
            Some(curve) => curve.1.push(case),
            None => curves.push((name, vec![case])),
        }
    }
    curves.retain(|(_, cases)| cases.len() > 2);
    curves
}

/// A contender's line: the floor's nanoseconds, and how many times as long the contender takes.
struct Curve {
    /// Whose it is.
    who: String,
    /// In which colour, and how wide.
    style: ShapeStyle,
    /// Its points.
    points: Vec<(f64, f64)>,
}

/// Draws one, as SVG.
pub(crate) fn draw(name: &str, cases: &[&Case]) -> Result<String, String> {
    let mut svg = String::new();
    draw_into(&mut svg, name, cases).map_err(|error| format!("{name}: {error}"))?;
    Ok(svg + "\n")
}

/// From the slowest to the fastest, as they lie above each other where there is no work.
fn lines(cases: &[&Case]) -> Vec<Curve> {
    let mut colours = COLOURS.iter().cycle();
    let rows = cases.first().map_or(&[][..], |case| &case.rows[..]);
    let others = rows.iter().filter(|row| row.kind != Kind::Floor);
    let lines = others.map(|row| Curve {
        who: match row.kind {
            Kind::Segno => format!("Segno: {}", row.who),
            _ => row.who.clone(),
        },
        style: match row.kind {
            Kind::Segno => SEGNO.stroke_width(4),
            _ => colours.next().unwrap_or(&BLACK).stroke_width(2),
        },
        points: cases
            .iter()
            .filter_map(|case| {
                let floor = case.floor()?;
                let row = case.row(&row.who).ok()?;
                Some((floor.value?, row.ratio_to(Some(floor))?))
            })
            .collect(),
    });
    let mut lines: Vec<Curve> = lines.filter(|line| !line.points.is_empty()).collect();
    lines.sort_by(|a, b| b.points[0].1.total_cmp(&a.points[0].1));
    lines
}

/// The numbers 1, 2 and 5 times a power of ten that lie between two.
fn steps(from: f64, to: f64) -> Vec<f64> {
    let powers = (-2..7).map(|power| 10_f64.powi(power));
    let steps = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power));
    steps.filter(|step| (from..=to).contains(step)).collect()
}

fn draw_into(svg: &mut String, name: &str, cases: &[&Case]) -> Result<(), Box<dyn Error>> {
    let lines = lines(cases);
    let all = || lines.iter().flat_map(|line| &line.points);
    let least = all().fold(f64::INFINITY, |least, point| least.min(point.0));
    let most = all().fold(least * 2.0, |most, point| most.max(point.0));
    let top = all().fold(1.5, |top: f64, point| top.max(point.1)) * 1.08;
    let bottom = all().fold(0.97, |bottom: f64, point| bottom.min(point.1)).max(0.5);
    let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let left = Pos::new(HPos::Left, VPos::Center);
    let font = |size: i32| ("sans-serif", size).into_font().color(&BLACK).pos(left);
    let name = name.split_once(": ").map_or(name, |(_, name)| name);
    let title = format!("{name}: times the floor's time, by the work for each item");
    let bold = ("sans-serif", 17).into_font().style(FontStyle::Bold).color(&BLACK).pos(left);
    area.draw_text(&title, &bold, (14, 20))?;
    let mut chart = ChartBuilder::on(&area)
        .margin_top(44)
        .margin_right(RIGHT)
        .x_label_area_size(46)
        .margin_left(12)
        .y_label_area_size(60)
        .build_cartesian_2d((least..most).log_scale(), (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_label_formatter(&|_| String::new())
        .y_label_formatter(&|_| String::new())
        .x_desc(
            "nanoseconds that the floor takes for an item, which are more the more work there is",
        )
        .y_desc("times the floor's time")
        .axis_desc_style(("sans-serif", 13).into_font().color(&BLACK))
        .set_all_tick_mark_size(0)
        .draw()?;
    // Both axes are logarithmic, and most of what there is to see lies within one or two powers of ten.
    let grid = RGBColor(225, 225, 225);
    let at = |pos| ("sans-serif", 13).into_font().color(&BLACK).pos(pos);
    for step in steps(least, most) {
        chart.draw_series([PathElement::new([(step, bottom), (step, top)], grid)])?;
        let (x, y) = chart.backend_coord(&(step, bottom));
        let below = at(Pos::new(HPos::Center, VPos::Top));
        area.draw_text(&grouped(&format!("{step}")), &below, (x, y + 6))?;
    }
    let ratios = steps(bottom, top).into_iter().chain([1.2, 1.5, 3.0]);
    for ratio in ratios.filter(|ratio| (bottom..top).contains(ratio)) {
        chart.draw_series([PathElement::new([(least, ratio), (most, ratio)], grid)])?;
        let (x, y) = chart.backend_coord(&(least, ratio));
        let beside = at(Pos::new(HPos::Right, VPos::Center));
        area.draw_text(&format!("{ratio} x"), &beside, (x - 6, y))?;
    }
    let close = PathElement::new([(least, CLOSE), (most, CLOSE)], BLACK.stroke_width(1));
    chart.draw_series([close])?;
    let right = (WIDTH - RIGHT) as i32 + 14;
    area.draw(&PathElement::new([(right, 60), (right + 24, 60)], BLACK.stroke_width(1)))?;
    area.draw_text("5 % more than the floor", &font(13), (right + 32, 60))?;
    for (number, Curve { who, style, points }) in lines.iter().enumerate() {
        chart.draw_series([PathElement::new(points.clone(), *style)])?;
        let y = 84 + 24 * number as i32;
        area.draw(&PathElement::new([(right, y), (right + 24, y)], *style))?;
        area.draw_text(who, &font(13), (right + 32, y))?;
    }
    area.present()?;
    drop(chart);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use segno_benches::row::Row;

    #[test]
    fn a_curve_has_a_line_for_each_but_the_floor() {
        let case = |work: &str, floor: f64| {
            let row = |kind, who, value| Row {
                value: Some(value),
                ..Row::empty("work", work, kind, who, "ns")
            };
            let rows = [
                row(Kind::Floor, "by hand", floor),
                row(Kind::Rival, "async", floor + 30.0),
                row(Kind::Segno, "Generator", floor + 3.0),
            ];
            Case::group(&rows).remove(0)
        };
        let cases = [
            case("a, no work for each item", 1.0),
            case("a, 4 rounds of work for each item", 10.0),
            case("a, 64 rounds of work for each item", 1000.0),
        ];
        let cases: Vec<&Case> = cases.iter().collect();
        let points: Vec<_> =
            lines(&cases).into_iter().map(|line| (line.who, line.points[0])).collect();
        assert_eq!(
            points,
            [("async".into(), (1.0, 31.0)), ("Segno: Generator".into(), (1.0, 4.0))]
        );
        assert_eq!(steps(4.0, 120.0), [5.0, 10.0, 20.0, 50.0, 100.0]);
        let svg = draw("work: a", &cases).expect("it can be drawn");
        assert!(svg.contains("Generator") && svg.contains("5 % more"));
        if let Some(path) = std::env::var_os("CURVE_SVG") {
            std::fs::write(path, svg).expect("it can be written");
        }
    }
}
