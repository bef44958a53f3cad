//! Tables that fit: columns that may shrink do, others are left out, and ids are never broken.

use std::borrow::Cow;

use comfy_table::{ContentArrangement, presets};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Paint;

/// Columns between two columns.
const GAP: usize = 2;
/// A column that may shrink keeps so many columns.
const LEAST: usize = 8;
/// A column that is optional gives way before one that may shrink has fewer columns than this.
const COMFORTABLE: usize = 20;

/// What may happen to a column when the table is too wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Nothing.
    Fixed(&'static str),
    /// It loses its end.
    Shrinks(&'static str),
    /// It is left out; the last such column first. It may not be narrowed.
    Optional(&'static str),
}

impl Column {
    fn header(self) -> &'static str {
        match self {
            Self::Fixed(header) | Self::Shrinks(header) | Self::Optional(header) => header,
        }
    }

    fn shrinks(self) -> bool {
        matches!(self, Self::Shrinks(_))
    }
}

/// One value. Clean, and on one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// A value in this colour.
    #[must_use]
    pub fn painted(text: impl Into<String>, paint: Paint) -> Self {
        Self { paint: Some(paint), ..Self::from(text.into()) }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        let breaks = text.bytes().any(|byte| matches!(byte, b'\t' | b'\n'));
        let text = if breaks { text.replace(['\t', '\n'], " ") } else { text };
        let trimmed = text.trim();
        Self { text: if trimmed == text { text } else { trimmed.to_owned() }, paint: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A table with a header.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row: a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The table as lines, no wider than `width` when its fixed columns allow that. Empty without
    /// rows.
    #[must_use]
    pub fn render(&self, width: usize, color: bool) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let natural = self.natural_widths(width);
        let shown = self.shown(&natural, width);
        let widths = self.fit(&natural, &shown, width);
        let header: Vec<Cell> =
            self.columns.iter().map(|column| Cell::painted(column.header(), Paint::Bold)).collect();
        let rows: Vec<Vec<Cut<'_>>> = std::iter::once(&header)
            .chain(&self.rows)
            .map(|row| cut(row, &shown, &widths))
            .collect();
        lay_out(&rows, color)
    }

    /// How wide each column would like to be, but not wider than the whole table.
    fn natural_widths(&self, width: usize) -> Vec<usize> {
        let widest = |place: usize| {
            let texts = self.rows.iter().map(|row| columns_of(&row[place].text, width));
            texts.max().unwrap_or(0).max(self.columns[place].header().width())
        };
        (0..self.columns.len()).map(widest).collect()
    }

    /// The places of the columns that are shown.
    fn shown(&self, natural: &[usize], width: usize) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        loop {
            let wanted = |place: &usize| match self.columns[*place] {
                Column::Shrinks(_) => natural[*place].min(COMFORTABLE),
                _ => natural[*place],
            };
            if total(shown.iter().map(wanted)) <= width {
                return shown;
            }
            let is_optional = |place: &usize| matches!(self.columns[*place], Column::Optional(_));
            match shown.iter().rposition(is_optional) {
                Some(last) => shown.remove(last),
                None => return shown,
            };
        }
    }

    /// The widths of the shown columns: the widest that may shrink gives first.
    fn fit(&self, natural: &[usize], shown: &[usize], width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = shown.iter().map(|place| natural[*place]).collect();
        while total(widths.iter().copied()) > width {
            let may_shrink = |at: &usize| {
                let column = self.columns[shown[*at]];
                column.shrinks() && widths[*at] > LEAST.max(column.header().width())
            };
            match (0..widths.len()).filter(may_shrink).max_by_key(|at| widths[*at]) {
                Some(widest) => widths[widest] -= 1,
                None => break,
            }
        }
        widths
    }
}

fn total(widths: impl Iterator<Item = usize>) -> usize {
    let (count, sum) = widths.fold((0_usize, 0), |(count, sum), width| (count + 1, sum + width));
    sum + GAP * count.saturating_sub(1)
}

/// The text's width, or `most` when it is wider than that: a task may have a million characters.
fn columns_of(text: &str, most: usize) -> usize {
    // A character is four bytes at most, and most have a width of one at least.
    if text.len() > 8 * most.max(16) {
        return most;
    }
    // Nearly all of it is, and then there is nothing to look up.
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if plain { text.len().min(most) } else { text.width().min(most) }
}

/// The text in at most so many columns, with `…` for what is left out.
#[must_use]
pub fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if columns_of(text, columns + 1) <= columns {
        return text.into();
    }
    let mut kept = String::new();
    let mut width = 0;
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width >= columns {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept.into()
}

/// What is shown of a value.
type Cut<'a> = (Cow<'a, str>, Option<Paint>);

fn cut<'a>(row: &'a [Cell], shown: &[usize], widths: &[usize]) -> Vec<Cut<'a>> {
    let cell = |(place, width): (&usize, &usize)| {
        let cell = &row[*place];
        (clip(&cell.text, *width), cell.paint)
    };
    shown.iter().zip(widths).map(cell).collect()
}

/// Lines with the cells below each other. Colours come last: they have no width.
fn lay_out(rows: &[Vec<Cut<'_>>], color: bool) -> String {
    // One row, in which each column is one cell of many lines: for a thousand rows that is a third of the work.
    let columns = (0..rows[0].len()).map(|place| {
        let texts: Vec<&str> = rows.iter().map(|row| &*row[place].0).collect();
        comfy_table::Cell::new_owned(texts.join("\n"))
    });
    let mut plain = comfy_table::Table::new();
    plain.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    plain.add_row(columns);
    let gap = u16::try_from(GAP).unwrap_or_default();
    plain.column_iter_mut().for_each(|column| {
        column.set_padding((0, gap));
    });
    let mut lines = String::new();
    for (line, row) in plain.lines().zip(rows) {
        if color {
            paint(line.trim_end(), row, &mut lines);
        } else {
            lines.push_str(line.trim_end());
        }
        lines.push('\n');
    }
    lines
}

/// Colours each cell of a line where it stands: between cells there are only spaces, and no cell
/// begins with one.
fn paint(line: &str, row: &[Cut<'_>], lines: &mut String) {
    let mut rest = line;
    for (text, paint) in row {
        let Some(at) = rest.find(&**text) else { break };
        let end = at + text.len();
        lines.push_str(&rest[..at]);
        match paint {
            Some(paint) if !text.is_empty() => lines.push_str(&paint.around(text)),
            _ => lines.push_str(text),
        }
        rest = &rest[end..];
    }
    lines.push_str(rest);
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;
