//! Text that a command reads from a file or from standard input.

use std::io::IsTerminal as _;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Context, Failure};
use crate::model::{TEXT_MAX, check_text};

/// The text of this file, or of standard input when it is `-`; `what` names it.
///
/// # Errors
/// Exit code 2 when it cannot be read, or is no text that can be sent.
pub(super) async fn text(context: &Context, source: &str, what: &str) -> Result<String, Failure> {
    if source == "-" {
        if std::io::stdin().is_terminal() {
            context.say(&format!("dash: type {what}, and end it with Ctrl-D on a line of its own"));
        }
        return read(tokio::io::stdin(), "standard input", what).await;
    }
    let file = tokio::fs::File::open(source)
        .await
        .map_err(|error| Failure::usage(format!("cannot read {source}: {error}")))?;
    read(file, source, what).await
}

async fn read(source: impl AsyncRead + Unpin, from: &str, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // One more than may be, so that more than may be is seen.
    let limit = u64::try_from(TEXT_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let read = source.take(limit).read_to_end(&mut bytes).await;
    read.map_err(|error| Failure::usage(format!("cannot read {from}: {error}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{what} from {from} is not valid UTF-8")))?;
    check(what, &text)?;
    Ok(text)
}

/// Refuses a text that cannot be sent.
///
/// # Errors
/// Exit code 2.
pub(super) fn check(what: &str, text: &str) -> Result<(), Failure> {
    check_text(what, text).map_err(|error| Failure::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(bytes: &[u8]) -> Result<String, Failure> {
        read(bytes, "there", "the task").await
    }

    #[tokio::test]
    async fn text_comes_through_byte_for_byte() {
        assert_eq!(of("é\n\n".as_bytes()).await, Ok("é\n\n".to_owned()));
    }

    #[tokio::test]
    async fn what_is_no_text_is_refused() {
        let long = vec![b'x'; TEXT_MAX + 10];
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"\xff", "not valid UTF-8"),
            (b"a\0b", "NUL"),
            (&long, "at most"),
        ] {
            let failure = of(bytes).await.unwrap_err();
            assert_eq!(failure.exit, 2);
            assert!(failure.message.contains(expected), "{failure:?}");
        }
    }
}
