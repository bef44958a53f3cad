//! One picture for the README: Dash beside the others, a bar each, on logarithmic scales.

use std::fmt::Write as _;

use crate::numbers::{DASH, RAW, Row, show};

/// What the picture shows, when it was measured: less is better in each.
const SHOWN: [&str; 5] = [
    "1,000 at once, until all run",
    "one spawn, until it runs",
    "line to subscriber, 1 agent",
    "memory at 1,000 agents with 1,000 followers",
    "list of 1,000, whole process",
];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 110.0;
const BAR: f64 = 20.0;

pub(crate) fn draw(rows: &[Row]) -> String {
    let mut body = String::new();
    let mut y = 34.0;
    for what in SHOWN {
        let of_it: Vec<&Row> =
            rows.iter().filter(|row| row.what == what && row.value > 0.0).collect();
        if of_it.is_empty() {
            continue;
        }
        let unit = of_it[0].unit;
        let _ = writeln!(
            body,
            r#"<text class="what" x="16" y="{y:.0}">{what} ({unit}, less is better)</text>"#
        );
        y += 10.0;
        y = bars(&mut body, &of_it, y) + 30.0;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0}" height="{y:.0}" viewBox="0 0 {WIDTH:.0} {y:.0}" role="img">
<title>Dash beside its peers</title>
<style>text {{ font: 13px system-ui, sans-serif; fill: #444 }} .what {{ font-weight: 600; fill: #222 }}</style>
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##
    )
}

/// A bar for each row from `y` on; where the next may begin.
fn bars(body: &mut String, rows: &[&Row], mut y: f64) -> f64 {
    let values = || rows.iter().map(|row| row.value);
    let most = values().fold(f64::MIN, f64::max).log10();
    let least = values().fold(f64::MAX, f64::min).log10() - 0.5;
    for row in rows {
        let share = (row.value.log10() - least) / (most - least).max(0.1);
        let width = share * (WIDTH - LEFT - RIGHT);
        let colour = match row.who.as_str() {
            who if who.starts_with(RAW) => "#c8ccd0",
            who if who.contains(DASH) || who.contains("dash") => "#2563eb",
            _ => "#f0a35e",
        };
        let (text, who) = (y + 15.0, row.who.replace('`', ""));
        let (after, value) = (LEFT + width + 8.0, show(Some(row.value)));
        let _ = writeln!(
            body,
            r#"<text x="{:.0}" y="{text:.0}" text-anchor="end">{who}</text><rect x="{LEFT:.0}" y="{y:.0}" width="{width:.0}" height="{BAR:.0}" rx="3" fill="{colour}"/><text x="{after:.0}" y="{text:.0}">{value}</text>"#,
            LEFT - 10.0
        );
        y += BAR + 5.0;
    }
    y
}
