//! Events in, lines out.

use super::event::{EventLine, said};
use super::roster::Roster;
use super::scope::Scope;
use super::stream::Reader;
use crate::cli::show::{Paint, Show, inert_json};
use crate::model::{EventType, Seq};

/// What a watcher sees of the events.
pub(super) struct View<'a> {
    show: &'a Show,
    roster: Roster,
    scope: &'a mut Scope,
    /// Only these; all when there is none.
    types: Vec<EventType>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        show: &'a Show,
        roster: Roster,
        scope: &'a mut Scope,
        types: Vec<EventType>,
    ) -> Self {
        Self { show, roster, scope, types }
    }

    fn print(&mut self, event: &EventLine<'_>, lines: &mut Vec<u8>) {
        let fact = event.fact();
        let goes_on = self.roster.take(event, fact.as_ref());
        if !self.is_wanted(event.kind()) {
            return;
        }
        let (name, paint) = self.roster.name(event.agent_id);
        let name = self.show.paint(&name, paint);
        let mut line = |mark: char, text: &str| {
            let mark = mark.to_string();
            let paint = if mark == "!" { Paint::Red } else { Paint::Dim };
            let mark = self.show.paint(&mark, paint);
            lines.extend_from_slice(format!("{name} {mark} {text}").trim_end().as_bytes());
            lines.push(b'\n');
        };
        match &fact {
            Some(fact) => {
                for said in said(self.show, fact, goes_on) {
                    line(said.mark, &said.text);
                }
            }
            None => line('*', &crate::cli::show::clean(event.type_name())),
        }
    }

    fn is_wanted(&self, kind: Option<EventType>) -> bool {
        self.types.is_empty() || kind.is_some_and(|kind| self.types.contains(&kind))
    }
}

impl Reader for View<'_> {
    fn event(&mut self, json: &str, lines: &mut Vec<u8>) {
        let mut as_it_is = || {
            lines.extend_from_slice(inert_json(json).as_bytes());
            lines.push(b'\n');
        };
        if self.show.json && self.scope.is_everything() {
            return as_it_is();
        }
        let Ok(event) = EventLine::read(json) else { return };
        if !self.scope.wants(event.agent_id, event.seq) {
            return;
        }
        self.scope.saw(event.agent_id, event.kind());
        if !self.show.json {
            self.print(&event, lines);
        } else if self.is_wanted(event.kind()) {
            as_it_is();
        }
    }

    fn reset(&mut self, oldest: Seq) {
        self.scope.forget_before(oldest);
    }

    fn is_over(&self) -> bool {
        self.scope.is_over()
    }

    fn status(&self) -> String {
        self.roster.summary()
    }
}
