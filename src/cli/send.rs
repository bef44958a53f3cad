//! `dash send`: talks to an agent.

use futures::StreamExt as _;
use serde::Deserialize;

use super::reply::Reply;
use super::select::check_selector;
use super::show::clean;
use super::wait::END_TURN;
use super::{Context, Failure, completions, exit, input, signals};
use crate::api::{AgentBody, EventsQuery, MessageAnswer, MessageBody};
use crate::client::{Client, ClientError, Frame};
use crate::model::{Delivery, EventType, MessageId, Runtime, Seq};

/// Send a message to an agent.
///
/// An agent that is busy gets it when its turn is over: until then the message is queued. An agent
/// that takes none refuses it, and the exit code is 5. A command takes messages on its standard
/// input when it was spawned with `--stdin`, each as a line.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SendArgs {
    /// An id, an unambiguous prefix of one, or an exact label.
    #[arg(
        value_name = "SELECTOR",
        add = clap_complete::engine::ArgValueCandidates::new(completions::agents)
    )]
    pub selector: String,
    /// The message, or `-` to read it from standard input. After `--` it is taken as it is.
    #[arg(value_name = "TEXT|-")]
    pub text: String,
    /// Wait until it is delivered and, of an agent that takes turns, for what it answers.
    #[arg(long)]
    pub wait: bool,
    /// The same key sends nothing twice.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  dash send reviewer 'Look at the tests too'
  dash send reviewer --wait 'What did you find?'
  git diff | dash send reviewer -
  dash send shell -- --help               text that looks like a flag";

/// Runs the command.
///
/// # Errors
/// Exit code 4 when there is no such agent, 5 when it takes no message; else see [`Failure`].
pub async fn run(args: SendArgs, context: &Context) -> Result<u8, Failure> {
    check_selector(&args.selector)?;
    let literal = std::env::args_os().any(|argument| argument == "--");
    let text = if args.text == "-" && !literal {
        input::text(context, "-", "the message").await?
    } else {
        input::check("the message", &args.text)?;
        args.text
    };
    let key = args.idempotency_key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    crate::model::check_key(&key).map_err(|error| Failure::usage(error.to_string()))?;
    let client = context.daemon().await?;
    if !args.wait {
        let answer = client.send(&args.selector, &MessageBody { text }, &key).await?;
        report(context, &answer)?;
        return Ok(exit::DONE);
    }
    let agent = client.agent(&args.selector).await?;
    let answer = client.send(agent.id.as_str(), &MessageBody { text }, &key).await?;
    let let_go = || {
        let id = agent.id.short();
        Failure::new(exit::INTERRUPTED, signals::CODE, "detached; the message is on its way")
            .hinted(format!("see what it does: dash watch {id}"))
    };
    signals::detaching(converse(context, &client, &agent, answer), let_go).await
}

fn report(context: &Context, answer: &MessageAnswer) -> Result<(), Failure> {
    let show = &context.show;
    if show.json {
        return Ok(show.json_line(answer)?);
    }
    if show.quiet {
        return Ok(show.line(answer.message_id.as_str())?);
    }
    let state = match answer.state {
        Delivery::Queued => "queued",
        Delivery::Delivered => "delivered",
        Delivery::Refused => "refused",
    };
    Ok(show.line(&format!("{state} {} to {}", answer.message_id, answer.agent_id))?)
}

/// Stays until the message is delivered and the turn that it begins is over. Answers with the exit
/// code: a turn that was cut short is no success.
async fn converse(
    context: &Context,
    client: &Client,
    agent: &AgentBody,
    mut answer: MessageAnswer,
) -> Result<u8, Failure> {
    let takes_turns = agent.runtime != Runtime::Command.as_str();
    let mut reply = Reply::default();
    let mut code = exit::DONE;
    let mut turn = Turn::new(&answer);
    let mut frames = client.events(query(&answer));
    if turn.delivered {
        report(context, &answer)?;
    }
    while !(turn.delivered && (turn.over || !takes_turns)) {
        let over = || ClientError::Protocol("the stream of events ended".to_owned());
        let (seq, json) = match frames.next().await.ok_or_else(over)?? {
            Frame::Event { seq, json } => (seq, json),
            Frame::Reset(_) => return Err(missed(agent)),
            Frame::Lost => {
                context.say("dash: the daemon went away; waiting for it to come back");
                continue;
            }
            Frame::Back => continue,
        };
        match turn.take(&json) {
            Step::Nothing => {}
            Step::Delivered => {
                answer = MessageAnswer { state: Delivery::Delivered, seq, ..answer };
                report(context, &answer)?;
            }
            Step::Said { text, chunk } => reply.say(context, &json, &text, chunk)?,
            Step::Over(reason) => {
                reply.finish(context)?;
                if let Some(reason) = reason {
                    code = exit::FAILED;
                    context.say(&format!("dash: the turn ended early: {}", clean(&reason)));
                }
            }
            Step::Refused(reason) => {
                let message = reason.unwrap_or_else(|| "the agent did not take it".to_owned());
                return Err(Failure::new(exit::DENIED, "refused", message));
            }
        }
    }
    Ok(code)
}

fn query(answer: &MessageAnswer) -> EventsQuery {
    let mut types = vec![EventType::Input, EventType::Message, EventType::Waiting];
    types.extend(EventType::ENDS);
    let before = Seq(answer.seq.0);
    EventsQuery {
        since: Some(before.to_string()),
        agent: vec![answer.agent_id.to_string()],
        r#type: types.iter().map(ToString::to_string).collect(),
        ..EventsQuery::default()
    }
}

fn missed(agent: &AgentBody) -> Failure {
    let message = "events that would tell what became of the message are no longer kept";
    Failure::new(exit::FAILED, "reset", message)
        .hinted(format!("`dash status {}` shows how the agent is", agent.id.short()))
}

/// The turn that a message begins.
struct Turn {
    message: MessageId,
    delivered: bool,
    over: bool,
}

/// What one event means for it.
#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    Delivered,
    Refused(Option<String>),
    Said {
        text: String,
        chunk: bool,
    },
    /// The turn is over; why, when it was cut short.
    Over(Option<String>),
}

#[derive(Deserialize)]
struct Seen {
    r#type: String,
    data: SeenData,
}

#[derive(Deserialize)]
struct SeenData {
    message_id: Option<MessageId>,
    state: Option<Delivery>,
    reason: Option<String>,
    text: Option<String>,
    #[serde(default)]
    chunk: bool,
    stop_reason: Option<String>,
}

impl Turn {
    fn new(answer: &MessageAnswer) -> Self {
        let delivered = answer.state == Delivery::Delivered;
        Self { message: answer.message_id, delivered, over: false }
    }

    fn take(&mut self, json: &str) -> Step {
        // An event that cannot be read is of a kind that this version does not know.
        let Ok(Seen { r#type, data }) = serde_json::from_str(json) else { return Step::Nothing };
        match r#type.parse() {
            Ok(EventType::Input) if data.message_id == Some(self.message) => match data.state {
                Some(Delivery::Delivered) if !self.delivered => {
                    self.delivered = true;
                    Step::Delivered
                }
                Some(Delivery::Refused) => Step::Refused(data.reason),
                _ => Step::Nothing,
            },
            Ok(EventType::Message) if self.delivered => {
                Step::Said { text: data.text.unwrap_or_default(), chunk: data.chunk }
            }
            // One from before the message was delivered ends another turn.
            Ok(EventType::Waiting) if self.delivered => {
                self.over = true;
                Step::Over(data.stop_reason.filter(|reason| reason != END_TURN))
            }
            Ok(kind) if kind.is_end() && !self.delivered => {
                Step::Refused(Some("the agent ended before it had the message".to_owned()))
            }
            Ok(kind) if kind.is_end() => {
                self.over = true;
                // One that has completed has answered, also when it was its last turn.
                let early = kind != EventType::Completed;
                Step::Over(
                    early.then(|| data.reason.unwrap_or_else(|| format!("the agent is {kind}"))),
                )
            }
            _ => Step::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AgentId;

    fn turn(state: Delivery) -> Turn {
        Turn::new(&MessageAnswer {
            agent_id: AgentId::from_bits(1),
            message_id: MessageId::from_bits(7),
            state,
            seq: Seq(4),
        })
    }

    fn event(kind: &str, data: &str) -> String {
        format!(r#"{{"seq":5,"type":"agent.{kind}","agent_id":"kkkkkkkkkkkkkkkk","data":{data}}}"#)
    }

    fn input(message: u64, state: &str) -> String {
        let id = MessageId::from_bits(message);
        event(
            "input",
            &format!(r#"{{"message_id":"{id}","state":"{state}","reason":"r","by":"x"}}"#),
        )
    }

    #[test]
    fn only_the_turn_of_the_message_counts() {
        let mut turn = turn(Delivery::Queued);
        assert_eq!(turn.take(&event("message", r#"{"text":"of before"}"#)), Step::Nothing);
        assert_eq!(turn.take(&event("waiting", "{}")), Step::Nothing);
        assert!(!turn.over);
        assert_eq!(turn.take(&input(8, "delivered")), Step::Nothing);
        assert_eq!(turn.take(&input(7, "delivered")), Step::Delivered);
        assert_eq!(
            turn.take(&event("message", r#"{"text":"hi"}"#)),
            Step::Said { text: "hi".into(), chunk: false }
        );
        assert_eq!(turn.take("{}"), Step::Nothing);
        assert_eq!(turn.take(&event("waiting", "{}")), Step::Over(None));
        assert!(turn.over);
    }

    #[test]
    fn an_end_ends_the_turn_too() {
        let mut turn = turn(Delivery::Delivered);
        assert_eq!(turn.take(&event("completed", "{}")), Step::Over(None));
        assert!(turn.over);
    }

    #[test]
    fn a_message_that_is_never_delivered_is_refused() {
        assert_eq!(
            turn(Delivery::Queued).take(&input(7, "refused")),
            Step::Refused(Some("r".into()))
        );
        let step = turn(Delivery::Queued).take(&event("killed", r#"{"reason":"x"}"#));
        assert!(matches!(step, Step::Refused(Some(reason)) if reason.contains("ended before")));
    }
}
