use super::stream::Reader as _;
use super::*;
use crate::cli::Color;
use crate::cli::show::Show;
use crate::cli::status::sample::agent;
use crate::model::AgentId;

fn show(json: bool) -> Show {
    Show::detect(json, false, Color::Never, |_| None)
}

fn event(seq: u64, agent: AgentId, kind: &str, data: &str) -> String {
    format!(
        r#"{{"seq":{seq},"time":"2026-03-01T12:00:00Z","type":"agent.{kind}","agent_id":"{agent}","label":"x","session":null,"data":{data},"new":1}}"#
    )
}

fn output(seq: u64, agent: AgentId, stream: &str, text: &str, partial: bool) -> String {
    let text = serde_json::to_string(text).unwrap();
    let data = format!(
        r#"{{"stream":"{stream}","text":{text},"offset":0,"bytes":1,"partial":{partial}}}"#
    );
    event(seq, agent, "output", &data)
}

/// What a person sees of these events.
fn seen(agents: &[AgentBody], scope: &mut Scope, events: &[String]) -> String {
    let show = show(false);
    let mut view = View::new(&show, Roster::of(agents), scope, Vec::new());
    let mut lines = Vec::new();
    for event in events {
        view.event(event, &mut lines);
    }
    String::from_utf8(lines).unwrap()
}

#[test]
fn every_line_names_its_agent() {
    let (one, mut two) = (agent(1), agent(2));
    two.index = 2;
    two.label = Some("y\u{1b}[2J".to_owned());
    let id = one.id;
    let events = [
        event(3, id, "started", r#"{"pid":7}"#),
        output(4, id, "stdout", "a\n\u{1b}[31mb\u{1b}[0m\r\n\nc\n", false),
        output(5, two.id, "stderr", "oh\u{7} no\n", false),
        output(6, id, "stdout", "long", true),
        output(7, two.id, "stdout", "between\n", false),
        output(8, id, "stdout", "er\n", false),
        event(
            9,
            id,
            "input",
            r#"{"message_id":"m-kkkkkkkkkkkkkkkk","state":"queued","text":"hi\nyou","by":"user:a"}"#,
        ),
        event(
            10,
            id,
            "stopping",
            r#"{"cause":"kill","by":"user:a","signal":"SIGTERM","grace_ms":10000}"#,
        ),
        event(11, id, "tool_call", r#"{"title":"Read a\u001b[2Jfile"}"#),
        event(12, id, "shiny_new", r#"{"a":1}"#),
        event(13, id, "failed", r#"{"exit_code":2,"reason":"it said so"}"#),
    ];
    let seen = seen(&[one, two], &mut Scope::everything(), &events);
    insta::assert_snapshot!(seen, @r"
    fix-bug #1 * started, pid 7
    fix-bug #1 | a
    fix-bug #1 | b
    fix-bug #1 |
    fix-bug #1 | c
    y #2       ! oh no
    fix-bug #1 | long…
    y #2       | between
    fix-bug #1 | …er
    fix-bug #1 < hi
    fix-bug #1 < you
    fix-bug #1 * stopping: killed by user:a (SIGTERM, then SIGKILL in 10s)
    fix-bug #1 * tool call: Read afile
    fix-bug #1 * agent.shiny_new
    fix-bug #1 * failed, exit code 2, it said so
    ");
}

#[test]
fn agents_that_spawn_meanwhile_are_named_and_counted() {
    let id = AgentId::from_bits(9 << 60);
    let spawned = event(
        1,
        id,
        "spawned",
        r#"{"spec":{"runtime":"command","label":"x","group":"g","command":["echo","a b"],"cwd":"/"},"by":"user:a","index":3}"#,
    );
    let show = show(false);
    let mut scope = Scope::everything();
    let mut view = View::new(&show, Roster::default(), &mut scope, Vec::new());
    let mut lines = Vec::new();
    view.event(&spawned, &mut lines);
    assert_eq!(view.status(), "1 starting");
    view.event(&event(2, id, "started", "{}"), &mut lines);
    view.event(&event(3, id, "waiting", "{}"), &mut lines);
    assert_eq!(view.status(), "1 waiting");
    view.event(&event(4, id, "completed", r#"{"exit_code":0}"#), &mut lines);
    assert_eq!(view.status(), "1 completed");
    insta::assert_snapshot!(String::from_utf8(lines).unwrap(), @r"
    x #3 * spawned: echo 'a b'
    x #3 * started
    x #3 * waiting
    x #3 * completed, exit code 0
    ");
}

#[test]
fn json_comes_as_it_was_sent() {
    let one = agent(1);
    let events = [
        output(5, one.id, "stdout", "\u{1b}[31m\n", false),
        output(6, AgentId::from_bits(77), "stdout", "of another\n", false),
        event(7, one.id, "completed", "{}"),
    ];
    let show = show(true);
    let mut scope = Scope::of(std::slice::from_ref(&one), None, false);
    let mut view = View::new(&show, Roster::default(), &mut scope, vec![EventType::Output]);
    let mut lines = Vec::new();
    for event in &events {
        assert!(!view.is_over());
        view.event(event, &mut lines);
    }
    assert!(view.is_over());
    assert_eq!(String::from_utf8(lines).unwrap(), format!("{}\n", events[0]));
}

#[test]
fn it_is_over_when_all_have_ended() {
    let (one, mut ended) = (agent(1), agent(2));
    ended.status = Status::Completed;
    let agents = [one.clone(), ended.clone()];
    let mut now = Scope::of(&agents, None, false);
    assert!(!now.is_over());
    assert!(!now.wants(one.id, one.last_seq), "known already");
    assert!(now.wants(one.id, one.last_seq.next()));
    now.saw(one.id, Some(EventType::Killed));
    assert!(now.is_over());
    assert!(!Scope::of(std::slice::from_ref(&ended), None, true).is_over(), "asked to stay");

    let mut replay = Scope::of(&agents, Some(Seq::START), false);
    replay.saw(one.id, Some(EventType::Killed));
    assert!(!replay.is_over(), "the other's end is still to be replayed");
    replay.forget_before(ended.last_seq.next());
    assert!(replay.is_over(), "what is no longer kept is not waited for");
    assert!(Scope::of(&[ended], Some(Seq(99)), false).is_over());
}

#[test]
fn few_agents_are_asked_for_by_id_many_by_group() {
    let agents: Vec<AgentBody> = (0..60).map(agent).collect();
    assert_eq!(Scope::of(&agents[..2], None, false).query().agent.len(), 2);
    let by_group = Scope::of(&agents, None, false).query();
    assert_eq!((by_group.agent.len(), by_group.group.as_deref()), (0, Some("nightly")));
    let mut mixed = agents;
    mixed[0].group = None;
    let all = Scope::of(&mixed, None, false).query();
    assert_eq!((all.agent.len(), all.group), (0, None));
}

#[test]
fn arguments_are_checked() {
    assert_eq!(since("beginning"), Ok(Seq::START));
    assert_eq!(since("17"), Ok(Seq(17)));
    assert!(since("-1").is_err() && since("soon").is_err());
    assert_eq!(wanted_types(&[]), Vec::<String>::new());
    assert_eq!(wanted_types(&[EventType::Output]).len(), 6);
}
