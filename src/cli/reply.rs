//! What an agent says, as it arrives: whole texts, or pieces that make lines together.

use super::show::clean;
use super::{Context, Failure};
use crate::client::ClientError;

/// Bytes of a line that is not finished which are held back before it is printed all the same.
const HELD_MAX: usize = 16 * 1024;

/// A reply that is being printed: as it is for programs, and as cleaned lines for people.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// A line that is not finished.
    held: String,
}

impl Reply {
    /// Prints what is said now. `json` is the whole event.
    pub(super) fn say(
        &mut self,
        context: &Context,
        json: &str,
        text: &str,
        chunk: bool,
    ) -> Result<(), Failure> {
        if context.show.json {
            let event = serde_json::value::RawValue::from_string(json.to_owned())
                .map_err(|error| ClientError::Protocol(error.to_string()))?;
            return Ok(context.show.json_line(&event)?);
        }
        for line in self.take(text, chunk) {
            context.show.line(&clean(&line))?;
        }
        Ok(())
    }

    /// Prints what is left of it.
    pub(super) fn finish(&mut self, context: &Context) -> Result<(), Failure> {
        let rest = std::mem::take(&mut self.held);
        for line in rest.lines() {
            context.show.line(&clean(line))?;
        }
        Ok(())
    }

    /// The lines that are complete now.
    fn take(&mut self, text: &str, chunk: bool) -> Vec<String> {
        if !chunk {
            let mut lines: Vec<String> =
                std::mem::take(&mut self.held).lines().map(Into::into).collect();
            lines.extend(text.lines().map(Into::into));
            return lines;
        }
        self.held.push_str(text);
        let complete = match self.held.rfind('\n') {
            _ if self.held.len() > HELD_MAX => self.held.len(),
            Some(at) => at + 1,
            None => return Vec::new(),
        };
        let rest = self.held.split_off(complete);
        std::mem::replace(&mut self.held, rest).lines().map(Into::into).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_lines() {
        let mut reply = Reply::default();
        assert_eq!(reply.take("one ", true), Vec::<String>::new());
        assert_eq!(reply.take("line\ntwo", true), ["one line"]);
        assert_eq!(reply.take("whole\ntext", false), ["two", "whole", "text"]);
        assert_eq!(reply.take(&"x".repeat(HELD_MAX + 1), true).len(), 1, "memory is bounded");
        assert_eq!(reply.held, "");
    }
}
