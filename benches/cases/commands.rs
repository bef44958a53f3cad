//! Whole processes that do little.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::timed;
use crate::home::{DASH as BINARY, Home};
use crate::numbers::{DASH, RAW, Table};
use crate::peers::{self, Peer};

pub(super) fn measure(table: &mut Table, quick: bool) {
    let rounds = if quick { 30 } else { 200 };
    let what = "its version, whole process";
    let mut programs: Vec<(&str, PathBuf, &str)> =
        vec![(RAW, "/bin/true".into(), "--version"), (DASH, BINARY.into(), "--version")];
    let place = peers::place();
    programs.push(("sandbox-agent", place.join("sandbox-agent"), "--version"));
    programs.push(("pueue", place.join("pueue"), "--version"));
    programs.push(("task-spooler", "/usr/bin/tsp".into(), "-V"));
    programs.push(("tmux", "/usr/bin/tmux".into(), "-V"));
    for (name, program, flag) in programs.iter().filter(|(_, program, _)| program.exists()) {
        let samples = timed(rounds, || {
            let mut command = Command::new(program);
            command.arg(flag).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().expect("it runs");
        });
        table.samples(what, name, &samples);
    }
    let dash: Box<dyn Peer> = Box::new(Home::new());
    for peer in std::iter::once(dash).chain(peers::all(&place)) {
        for way in peer.ways() {
            let what = format!("list of nothing, {}", way.name());
            table.samples(&what, peer.name(), &timed(rounds, || peer.list(*way)));
        }
    }
    let size = std::fs::metadata(BINARY).map_or(0, |meta| meta.len());
    #[allow(clippy::cast_precision_loss)]
    table.figure("size of the binary", DASH, size as f64 / 1e6, "MB", "");
}
