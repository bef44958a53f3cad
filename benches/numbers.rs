//! Figures, and how they are printed.

use std::fmt::Write as _;

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
}

struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    p99: Option<f64>,
    raw: Option<f64>,
    note: String,
}

/// All rows of a run.
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// A median with its p99, beside the raw limit's median of the same run.
    pub(crate) fn samples(&mut self, name: &str, samples: &Samples, raw: Option<f64>) {
        let note = format!("n = {}", samples.0.len());
        let (value, p99) = (samples.percentile(50.0), Some(samples.percentile(99.0)));
        self.0.push(Row { name: name.into(), value, unit: "ms", p99, raw, note });
    }

    /// One figure.
    pub(crate) fn figure(
        &mut self,
        name: &str,
        value: f64,
        unit: &'static str,
        raw: Option<f64>,
        note: impl Into<String>,
    ) {
        let (name, note) = (name.into(), note.into());
        self.0.push(Row { name, value, unit, p99: None, raw, note });
    }

    pub(crate) fn print(&self) {
        let mut table = comfy_table::Table::new();
        table.set_header(["what", "median", "p99", "unit", "raw limit", "ratio", "note"]);
        for row in &self.0 {
            table.add_row([
                row.name.clone(),
                show(Some(row.value)),
                show(row.p99),
                row.unit.to_owned(),
                show(row.raw),
                show(row.raw.map(|raw| row.value / raw)),
                row.note.clone(),
            ]);
        }
        let mut out = String::new();
        let _ = writeln!(out, "{table}");
        let mut stdout = std::io::stdout().lock();
        let _ = std::io::Write::write_all(&mut stdout, out.as_bytes());
    }

    pub(crate) fn json(&self) -> String {
        let row = |row: &Row| {
            serde_json::json!({
                "name": row.name, "value": row.value, "unit": row.unit, "p99": row.p99,
                "raw": row.raw, "note": row.note,
            })
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        serde_json::to_string_pretty(&rows).unwrap_or_default()
    }
}

fn show(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.abs() >= 1000.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}
