//! Follows a stream of events over any number of daemons, until it is over or interrupted.

use std::pin::pin;
use std::time::Instant;

use futures::{FutureExt as _, StreamExt as _};

pub(in crate::cli) use super::screen::Screen;
use crate::api::EventsQuery;
use crate::cli::{Context, Failure, daemon, exit, signals};
use crate::client::{Client, ClientError, Frame};
use crate::model::Seq;

/// Who makes lines of events.
pub(in crate::cli) trait Reader {
    /// Takes one event, as the daemon sent it, and adds the lines to print.
    fn event(&mut self, json: &str, lines: &mut Vec<u8>);
    /// Events before this position are no longer kept.
    fn reset(&mut self, oldest: Seq);
    /// Whether no event that matters can follow.
    fn is_over(&self) -> bool;
    /// What the status line says.
    fn status(&self) -> String {
        String::new()
    }
}

/// Gives every event to the reader and prints its lines, until it is over. A daemon that crashed is
/// started again, unless `DASH_API_URL` says whose it is.
///
/// Answers with 0 when it is over or nobody reads what is printed, and with 130 or 143 when it is interrupted.
///
/// # Errors
/// When the daemon refuses the request, or nothing can be printed.
pub(in crate::cli) async fn follow(
    context: &Context,
    client: &Client,
    query: EventsQuery,
    reader: &mut impl Reader,
    mut screen: Screen,
) -> Result<u8, Failure> {
    let mut frames = client.events(query);
    let mut interrupted = pin!(signals::interrupted());
    let mut reader_gone = pin!(signals::reader_gone());
    let mut look_at: Option<Instant> = None;
    while !reader.is_over() {
        tokio::select! {
            biased;
            code = &mut interrupted => {
                screen.print(&reader.status())?;
                return Ok(code);
            }
            () = &mut reader_gone => return Ok(exit::DONE),
            frame = frames.next() => {
                take(frame, reader, &mut screen, &mut look_at)?;
                while !reader.is_over() && !screen.is_full() {
                    let Some(frame) = frames.next().now_or_never() else { break };
                    take(frame, reader, &mut screen, &mut look_at)?;
                }
                if screen.is_full() || screen.due().is_some_and(|due| due <= Instant::now()) {
                    screen.print(&reader.status())?;
                }
            }
            () = until(screen.due()) => screen.print(&reader.status())?,
            () = until(look_at) => {
                // Until the stream is back: the daemon that is there now may crash before that.
                look_at = Some(Instant::now() + daemon::SETTLES);
                if let Err(failure) = daemon::revive(context).await {
                    screen.remark(&format!("dash: {}", failure.message));
                }
            }
        }
    }
    screen.print(&reader.status())?;
    Ok(exit::DONE)
}

/// Takes one frame. `look_at` becomes the time to look whether the daemon crashed.
fn take(
    frame: Option<Result<Frame, ClientError>>,
    reader: &mut impl Reader,
    screen: &mut Screen,
    look_at: &mut Option<Instant>,
) -> Result<(), Failure> {
    match frame.ok_or_else(|| ClientError::Protocol("the stream of events ended".to_owned()))?? {
        Frame::Event { json, .. } => reader.event(&json, screen.lines()),
        Frame::Reset(reset) => {
            let oldest = reset.oldest;
            screen.remark(&format!("dash: events before {oldest} are no longer kept"));
            screen.reset(&reset);
            reader.reset(oldest);
        }
        Frame::Lost => {
            screen.remark("dash: the daemon went away; waiting for it to come back …");
            *look_at = Some(Instant::now() + daemon::SETTLES);
        }
        Frame::Back => {
            screen.remark("dash: the daemon is back; nothing was missed");
            *look_at = None;
        }
    }
    Ok(())
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
