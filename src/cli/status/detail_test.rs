use super::*;
use crate::cli::Color;
use crate::cli::status::sample::{agent, now};

#[test]
fn everything_is_said_and_nothing_obeyed() {
    let mut agent = agent(1);
    agent.task = Some("Fix this:\n\u{1b}]0;evil\u{7}the bug\r\n".to_owned());
    agent.metadata.insert("ticket".to_owned(), "D-7\nurgent".to_owned());
    let show = Show::detect(false, false, Color::Never, |_| None);
    insta::assert_snapshot!(of(&show, &agent, now()), @"");
}
