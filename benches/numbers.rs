//! Figures, and how they are printed.

use std::fmt::Write as _;

/// What the limit of the machine is called, against which the others of the same measure are set.
pub(crate) const RAW: &str = "raw limit";
pub(crate) const DASH: &str = "Dash";

/// Samples of one thing, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        if sorted.is_empty() {
            return f64::NAN;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let at = ((sorted.len() - 1) as f64 * percent / 100.0).round() as usize;
        sorted[at]
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50.0)
    }
}

#[derive(serde::Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) who: String,
    pub(crate) value: f64,
    pub(crate) p99: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) note: String,
}

/// All rows of a run: several for one measure stand beside each other.
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// A median with its p99, in milliseconds.
    pub(crate) fn samples(&mut self, what: &str, who: &str, samples: &Samples) {
        let note = format!("n = {}", samples.0.len());
        let (value, p99) = (samples.median(), Some(samples.percentile(99.0)));
        self.0.push(Row { what: what.into(), who: who.into(), value, p99, unit: "ms", note });
    }

    /// One figure.
    pub(crate) fn figure(
        &mut self,
        what: &str,
        who: &str,
        value: f64,
        unit: &'static str,
        note: impl Into<String>,
    ) {
        let (what, who, note) = (what.into(), who.into(), note.into());
        self.0.push(Row { what, who, value, p99: None, unit, note });
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.0
    }

    /// The rows in the order of their measures, each with its ratio to the raw limit.
    fn cells(&self) -> Vec<[String; 7]> {
        let mut order: Vec<&str> = Vec::new();
        for row in &self.0 {
            if !order.contains(&row.what.as_str()) {
                order.push(&row.what);
            }
        }
        let mut cells = Vec::new();
        for what in order {
            let of_it = || self.0.iter().filter(|row| row.what == what);
            let raw = of_it().find(|row| row.who == RAW).map(|row| row.value);
            for (at, row) in of_it().enumerate() {
                let ratio = raw.filter(|_| row.who != RAW).map(|raw| row.value / raw);
                cells.push([
                    if at == 0 { what.to_owned() } else { String::new() },
                    row.who.clone(),
                    show(Some(row.value)),
                    show(row.p99),
                    row.unit.to_owned(),
                    show(ratio),
                    row.note.clone(),
                ]);
            }
        }
        cells
    }

    pub(crate) fn print(&self) {
        let mut table = comfy_table::Table::new();
        table.set_header(HEADER);
        for cells in self.cells() {
            table.add_row(cells);
        }
        let mut stdout = std::io::stdout().lock();
        let _ = std::io::Write::write_all(&mut stdout, format!("{table}\n").as_bytes());
    }

    /// The table as the README holds it.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "| {} |", HEADER.join(" | "));
        let _ = writeln!(out, "|---|---|---:|---:|---|---:|---|");
        for cells in self.cells() {
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }
}

const HEADER: [&str; 7] = ["what", "who", "median", "p99", "unit", "× raw", "note"];

pub(crate) fn show(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}
