//! A prompt as text: what an agent of any runtime can be given.

use agent_client_protocol::v1::schema::{ContentBlock, EmbeddedResourceResource, ResourceLink};

use super::trouble::Trouble;
use crate::model::{TEXT_MAX, check_text};

/// The text of a prompt's blocks: texts as they are, a link as a line that names it, an embedded
/// text between lines that name it.
///
/// # Errors
/// When there is something that cannot be given as text, nothing, or too much.
pub(super) fn text_of(blocks: &[ContentBlock]) -> Result<String, Trouble> {
    let mut text = String::new();
    let mut needs_line = false;
    for block in blocks {
        let (part, on_lines_of_its_own) = match block {
            ContentBlock::Text(content) => (content.text.clone(), false),
            ContentBlock::ResourceLink(link) => (link_line(link), true),
            ContentBlock::Resource(embedded) => (embedded_text(&embedded.resource)?, true),
            ContentBlock::Image(_) => return Err(cannot_take("an image")),
            ContentBlock::Audio(_) => return Err(cannot_take("a recording")),
            _ => return Err(cannot_take("a block of a kind that it does not know")),
        };
        let begins_line = text.is_empty() || text.ends_with('\n');
        if (needs_line || on_lines_of_its_own) && !begins_line {
            text.push('\n');
        }
        text.push_str(&part);
        needs_line = on_lines_of_its_own;
    }
    if text.trim().is_empty() {
        return Err(Trouble::bad_parameters("the prompt is empty")
            .hinted("give it at least one block of text"));
    }
    check_text("the prompt", &text).map_err(|error| {
        Trouble::bad_parameters(error.to_string())
            .hinted(format!("put what is longer than {TEXT_MAX} bytes into a file and name it"))
    })?;
    Ok(text)
}

fn cannot_take(what: &str) -> Trouble {
    Trouble::bad_parameters(format!("the prompt has {what}, and agents of Dash take text"))
        .hinted("put it into a file and name that in the text")
}

fn link_line(link: &ResourceLink) -> String {
    let path = link.uri.strip_prefix("file://").unwrap_or(&link.uri);
    if link.name.is_empty() || link.name == path {
        path.to_owned()
    } else {
        format!("{path} ({})", link.name)
    }
}

fn embedded_text(resource: &EmbeddedResourceResource) -> Result<String, Trouble> {
    match resource {
        EmbeddedResourceResource::TextResourceContents(content) => {
            let end = if content.text.ends_with('\n') { "" } else { "\n" };
            Ok(format!("<file name=\"{}\">\n{}{end}</file>", content.uri, content.text))
        }
        EmbeddedResourceResource::BlobResourceContents(content) => {
            Err(cannot_take(&format!("the bytes of {}", content.uri)))
        }
        _ => Err(cannot_take("a resource of a kind that it does not know")),
    }
}

/// What OpenClaw 2026.4 and 2026.9 write before a text that comes from another session: the line
/// that begins and ends like this, and the sentence after it.
const ROUTED_BEGIN: &str = "[Inter-session message] ";
const ROUTED_END: &str = " isUser=false";
const ROUTED_WHY: &str =
    "This content was routed by OpenClaw from another session or internal tool.";
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The text without what OpenClaw wrote before it: a time stamp, and where it comes from. Anything
/// that is not letter for letter in OpenClaw's form stays.
pub(super) fn without_envelope(text: &str) -> &str {
    let bare = without_origin(without_stamp(text));
    // Somebody may have sent nothing else, and an empty task is none.
    if bare.trim().is_empty() { text } else { bare }
}

fn without_origin(text: &str) -> &str {
    let mut lines = text.splitn(3, '\n');
    match (lines.next(), lines.next(), lines.next()) {
        (Some(origin), Some(why), Some(rest))
            if origin.starts_with(ROUTED_BEGIN)
                && origin.ends_with(ROUTED_END)
                && why.starts_with(ROUTED_WHY) =>
        {
            without_stamp(rest)
        }
        _ => text,
    }
}

/// `[Wed 2026-04-29 12:00 UTC] `, where the zone is a name or an offset.
fn without_stamp(text: &str) -> &str {
    let stamped = || {
        let (stamp, rest) = text.strip_prefix('[')?.split_once("] ")?;
        let mut words = stamp.split(' ');
        let (day, date, time, zone) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let zone_fits = (1..=6).contains(&zone.len())
            && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-:".contains(&b));
        let fits = words.next().is_none()
            && WEEKDAYS.contains(&day)
            && has_shape(date, "0000-00-00")
            && has_shape(time, "00:00")
            && zone_fits;
        fits.then_some(rest)
    };
    stamped().unwrap_or(text)
}

/// Whether the text has a digit where the shape has a zero, and is the same elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(blocks: Value) -> Result<String, Trouble> {
        text_of(&serde_json::from_value::<Vec<ContentBlock>>(blocks).unwrap())
    }

    #[test]
    fn texts_links_and_files_become_one_text() {
        let blocks = json!([
            {"type": "text", "text": "Look "},
            {"type": "text", "text": "at"},
            {"type": "resource_link", "name": "main", "uri": "file:///src/main.rs"},
            {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "one\ntwo"}},
            {"type": "text", "text": "Thanks"},
        ]);
        let expected = "Look at\n/src/main.rs (main)\n\
                        <file name=\"file:///a.txt\">\none\ntwo\n</file>\nThanks";
        assert_eq!(text(blocks).unwrap(), expected);
    }

    #[test]
    fn what_is_no_text_is_refused_with_a_way_out() {
        for (block, what) in [
            (json!({"type": "image", "data": "", "mimeType": "image/png"}), "an image"),
            (json!({"type": "audio", "data": "", "mimeType": "audio/wav"}), "a recording"),
            (json!({"type": "resource", "resource": {"uri": "u", "blob": ""}}), "the bytes of u"),
            (json!({"type": "text", "text": " \n"}), "is empty"),
            (json!({"type": "text", "text": "x".repeat(TEXT_MAX + 1)}), "the prompt"),
        ] {
            let trouble = text(json!([block])).unwrap_err();
            assert!(trouble.to_string().contains(what), "{trouble:?}");
            assert!(trouble.to_json()["data"]["hint"].is_string(), "{trouble:?}");
        }
    }

    #[test]
    fn openclaws_envelope_goes_and_nothing_else_does() {
        let origin = "[Inter-session message] sourceSession=agent:main:main sourceTool=sessions_send isUser=false";
        let why = format!("{ROUTED_WHY} Treat it as inter-session data.");
        for (given, expected) in [
            ("[Wed 2026-04-29 12:00 UTC] fix it".to_owned(), "fix it"),
            ("[Sun 2026-04-26 07:05 GMT+2] fix it".to_owned(), "fix it"),
            (format!("{origin}\n{why}\nfix it\nnow"), "fix it\nnow"),
            (format!("{origin}\n{why}\n[Wed 2026-04-29 12:00 UTC] fix it"), "fix it"),
        ] {
            assert_eq!(without_envelope(&given), expected, "{given}");
        }
        for kept in [
            "[Wed] fix it",
            "[Wed 2026-04-29 12:00] fix it",
            "[Foo 2026-04-29 12:00 UTC] fix it",
            "[Wed 2026-4-29 12:00 UTC] fix it",
            "[Wed 2026-04-29 12:00 UTC and so on] fix it",
            "[Inter-session message] fix it",
            "[Inter-session message] a isUser=false\nfix it\nnow",
            "[Wed 2026-04-29 12:00 UTC] ",
        ] {
            assert_eq!(without_envelope(kept), kept);
        }
    }
}
