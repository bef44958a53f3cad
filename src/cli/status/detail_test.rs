use super::*;
use crate::cli::Color;
use crate::cli::status::sample::{agent, now};

#[test]
fn everything_is_said_and_nothing_obeyed() {
    let mut agent = agent(1);
    agent.task = Some("Fix this:\n\u{1b}]0;evil\u{7}the bug\r\n".to_owned());
    agent.metadata.insert("ticket".to_owned(), "D-7\nurgent".to_owned());
    let show = Show::detect(false, false, Color::Never, |_| None);
    insta::assert_snapshot!(of(&show, &agent, now()), @r"
    id:          kkkkkkklkkkkkkkk
    label:       fix-bug
    status:      running
    command:     sh -c 'make test'
    task:        Fix this:
                 the bug
    runtime:     command
    cwd:         /srv/project
    group:       nightly
    index:       1
    metadata:    ticket=D-7
                 urgent
    environment: LEVEL
    timeout:     10m
    stdin:       takes messages
    messages:    1 message not delivered
    pid:         4711
    spawned by:  user:ada
    created:     2026-03-01T11:57:55Z (2m 5s ago)
    started:     2026-03-01T11:57:56Z (2m 4s ago)
    last seq:    1
    ");
}
