//! A frame as a picture: each cell a rectangle and a letter.

use std::fmt::Write;

use ratatui::style::Color;

use crate::draw;
use crate::market::Market;

/// Width of a cell in the picture, and its height.
const CELL: (u16, u16) = (9, 18);

/// A colour as SVG writes it.
fn hex(colour: Color, otherwise: &str) -> String {
    match colour {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => otherwise.to_owned(),
    }
}

/// The market as it looks now, as SVG.
pub fn picture(market: &Market) -> String {
    let mut cells = draw::paper();
    draw::frame(market, "", &mut cells);
    let (width, height) = (draw::COLUMNS * CELL.0, draw::ROWS * CELL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"DejaVu Sans Mono, monospace\" font-size=\"14\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#12121e\"/>\n"
    );
    for y in 0..draw::ROWS {
        for x in 0..draw::COLUMNS {
            let cell = &cells[(x, y)];
            let (left, top) = (x * CELL.0, y * CELL.1);
            if let Color::Rgb(..) = cell.bg {
                let fill = hex(cell.bg, "");
                let (w, h) = CELL;
                writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" fill=\"{fill}\"/>"
                )
                .expect("memory takes text");
            }
            let sign = match cell.symbol() {
                " " | "" => continue,
                "<" => "&lt;",
                ">" => "&gt;",
                "&" => "&amp;",
                other => other,
            };
            let fill = hex(cell.fg, "#cccccc");
            let base = top + 14;
            writeln!(svg, "<text x=\"{left}\" y=\"{base}\" fill=\"{fill}\">{sign}</text>")
                .expect("memory takes text");
        }
    }
    svg.push_str("</svg>\n");
    svg
}
