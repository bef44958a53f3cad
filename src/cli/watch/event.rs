//! One event as the daemon sent it, and as a person reads it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::show::{
    Paint, Show, clean, clean_line, command_line, of_status, said_of_end, shortened, span,
};
use crate::model::{
    AgentId, Delivery, End, EventType, Fact, Input, Output, Permission, PermissionState, Seq,
    Spawned, Status, StopCause, Stopping, Stream,
};

/// Characters of what is not an agent's own text.
const MOST: usize = 200;

/// What is looked at of an event; the rest of it is left as it came.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct EventLine<'a> {
    pub(in crate::cli) seq: Seq,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    pub(in crate::cli) agent_id: AgentId,
    #[serde(borrow, default)]
    pub(in crate::cli) label: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'a> EventLine<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// When it is not one.
    pub(in crate::cli) fn read(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Its type; none when a newer daemon has types that are not known here.
    pub(in crate::cli) fn kind(&self) -> Option<EventType> {
        self.r#type.parse().ok()
    }

    /// What happened, when that is known here.
    pub(in crate::cli) fn fact(&self) -> Option<Fact> {
        Fact::from_data(self.kind()?, self.data).ok()
    }

    /// Its type as it came.
    pub(super) fn type_name(&self) -> &str {
        &self.r#type
    }
}

/// A line for people: what kind of line, and its text, clean and perhaps coloured.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) mark: char,
    pub(super) text: String,
}

impl Said {
    fn new(mark: char, text: impl Into<String>) -> Self {
        Self { mark, text: text.into() }
    }
}

/// The lines that say a fact. `goes_on` is whether the agent's line before, of the same stream, was
/// not finished.
pub(super) fn said(show: &Show, fact: &Fact, goes_on: bool) -> Vec<Said> {
    let remark = |text: String| vec![Said::new('*', show.paint(&text, Paint::Dim))];
    match fact {
        Fact::Output(output) => lines_of_output(output, goes_on),
        Fact::Message(said) => lines('|', &said.text),
        Fact::Thought(said) => lines('~', &said.text),
        Fact::Input(input) => input_lines(input),
        Fact::Spawned(spawned) => remark(of_spawned(spawned)),
        Fact::Started(started) => remark(match started.pid {
            Some(pid) => format!("started, pid {pid}"),
            None => "started".to_owned(),
        }),
        Fact::Waiting(waiting) => remark(with_reason("waiting", waiting.reason.as_deref())),
        Fact::Stopping(stopping) => remark(of_stopping(stopping)),
        Fact::Permission(permission) => remark(of_permission(permission)),
        Fact::Update(kind, data) => remark(of_update(*kind, data)),
        Fact::End(kind, end) => vec![of_end(show, *kind, end)],
    }
}

fn lines(mark: char, text: &str) -> Vec<Said> {
    text.lines().map(|line| Said::new(mark, clean_line(line))).collect()
}

/// A piece of a line that is longer than an event ends with `…`, and its next one begins with it.
fn lines_of_output(output: &Output, goes_on: bool) -> Vec<Said> {
    let mark = if output.stream == Stream::Stderr { '!' } else { '|' };
    let mut said = lines(mark, &output.text);
    if let Some(first) = said.first_mut().filter(|_| goes_on) {
        first.text.insert(0, '…');
    }
    if let Some(last) = said.last_mut().filter(|_| is_unfinished(output)) {
        last.text.push('…');
    }
    said
}

/// Whether more of the same line follows.
pub(super) fn is_unfinished(output: &Output) -> bool {
    output.partial && !output.text.ends_with('\n')
}

fn with_reason(what: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{what}: {}", clean(&shortened(reason, MOST))),
        None => what.to_owned(),
    }
}

/// One event tells of a message's text, and later ones what became of it.
fn input_lines(input: &Input) -> Vec<Said> {
    let mut said = input.text.as_deref().map(|text| lines('<', text)).unwrap_or_default();
    if input.state == Delivery::Refused {
        let refused = format!("message {} was refused", input.message_id);
        said.push(Said::new('*', with_reason(&refused, input.reason.as_deref())));
    }
    said
}

fn of_spawned(spawned: &Spawned) -> String {
    let spec = &spawned.spec;
    let what = match (&spec.task, &spec.command) {
        (Some(task), _) => clean(&shortened(task, MOST)).into_owned(),
        (None, Some(command)) => shortened(&command_line(command), MOST).into_owned(),
        (None, None) => String::new(),
    };
    match &spawned.queued {
        Some(reason) => format!("queued ({}): {what}", clean(reason)),
        None => format!("spawned: {what}"),
    }
}

fn of_stopping(stopping: &Stopping) -> String {
    let why = match stopping.cause {
        StopCause::Kill => format!("killed by {}", clean(&stopping.by.0)),
        StopCause::Timeout => "ran into its timeout".to_owned(),
        StopCause::Shutdown => "the daemon ends its agents".to_owned(),
        StopCause::Limit => clean(stopping.reason.as_deref().unwrap_or("a limit")).into_owned(),
    };
    format!("stopping: {why} ({}, then SIGKILL in {})", stopping.signal, span(stopping.grace_ms))
}

fn of_permission(permission: &Permission) -> String {
    let title = clean(&shortened(permission.title(), MOST)).into_owned();
    let by = permission.by.as_ref().map_or("the policy", |by| &*by.0);
    match permission.state {
        PermissionState::Asked => format!("asks for your permission: {title}"),
        PermissionState::Allowed => format!("allowed by {}: {title}", clean(by)),
        PermissionState::Denied => {
            with_reason(&format!("denied by {}: {title}", clean(by)), permission.reason.as_deref())
        }
        PermissionState::Expired => format!("denied, for nobody answered in time: {title}"),
    }
}

fn of_update(kind: EventType, data: &serde_json::Value) -> String {
    let what = kind.as_str().trim_start_matches("agent.").replace('_', " ");
    let title = data.get("title").and_then(serde_json::Value::as_str);
    let said = title.map_or_else(|| data.to_string(), str::to_owned);
    format!("{what}: {}", clean(&shortened(&said, MOST)))
}

fn of_end(show: &Show, kind: EventType, end: &End) -> Said {
    let status = status_after(kind).unwrap_or(Status::Lost);
    let signal = end.signal.map(|signal| signal.to_string());
    let code = end.exit_code.map(i64::from);
    let text = said_of_end(status, code, signal.as_deref(), end.reason.as_deref());
    Said::new('*', show.paint(&text, of_status(status)))
}

/// The status of an agent after an event of this type, when it says so by itself.
pub(super) fn status_after(kind: EventType) -> Option<Status> {
    Some(match kind {
        EventType::Started => Status::Running,
        EventType::Waiting => Status::Waiting,
        EventType::Stopping => Status::Stopping,
        EventType::Completed => Status::Completed,
        EventType::Failed => Status::Failed,
        EventType::Killed => Status::Killed,
        EventType::TimedOut => Status::TimedOut,
        EventType::Lost => Status::Lost,
        _ => return None,
    })
}
