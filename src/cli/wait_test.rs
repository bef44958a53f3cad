use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::routing::get;

use super::*;
use crate::api;
use crate::cli::Color;
use crate::cli::show::Show;
use crate::cli::status::sample::{agent, now};
use crate::client::Target;
use crate::config::Paths;
use crate::model::Signal;

fn ended(status: Status, code: Option<i32>, signal: Option<Signal>) -> AgentBody {
    AgentBody { status, exit_code: code, signal, ended_at: Some(now()), ..agent(1) }
}

#[test]
fn the_exit_code_is_the_agents_own_when_it_ended_by_itself() {
    let kill = Some(Signal::KILL);
    for (status, code, signal, expected) in [
        (Status::Completed, Some(0), None, 0),
        (Status::Completed, None, None, 0),
        (Status::Failed, Some(3), None, 3),
        (Status::Failed, Some(255), None, 255),
        (Status::Failed, Some(256), None, 1),
        (Status::Failed, Some(0), None, 1),
        (Status::Failed, None, None, 1),
        (Status::Failed, None, kill, 137),
        (Status::Killed, None, Some(Signal::TERM), 143),
        (Status::Killed, Some(0), None, 1),
        (Status::Killed, Some(7), None, 1),
        (Status::TimedOut, Some(0), None, 1),
        (Status::TimedOut, None, kill, 137),
        (Status::Lost, None, None, 1),
    ] {
        let agent = ended(status, code, signal);
        assert_eq!(code_of(&agent), expected, "{status} {code:?} {signal:?}");
    }
}

#[test]
fn of_several_the_first_that_failed_counts() {
    let good = ended(Status::Completed, Some(0), None);
    let (three, four) =
        (ended(Status::Failed, Some(3), None), ended(Status::Failed, Some(4), None));
    assert_eq!(code_of_all(&[good.clone(), good.clone()]), 0);
    assert_eq!(code_of_all(&[good.clone(), three, four.clone()]), 3);
    let later = AgentBody { ended_at: "2026-03-01T12:00:09Z".parse().ok(), ..four };
    assert_eq!(code_of_first(&[agent(1), later, good]), 0);
}

#[test]
fn ends_close_what_is_waited_for() {
    let agents = [agent(1), agent(2), ended(Status::Lost, None, None)];
    let mut open = Open::of(&agents[..2], false, Until::End);
    assert!(!open.is_done());
    let event = |id, kind| format!(r#"{{"type":"{kind}","agent_id":"{id}","seq":1,"data":{{}}}}"#);
    open.event(&event(agents[0].id, "agent.output"));
    open.event("{}");
    open.event(&event(agents[0].id, "agent.from_the_future"));
    assert_eq!(open.to_string(), "waiting for 2 of 2 agents");
    open.event(&event(agents[0].id, "agent.completed"));
    open.event(&event(agents[0].id, "agent.completed"));
    assert!(!open.is_done());
    open.event(&event(agents[1].id, "agent.lost"));
    assert!(open.is_done());
}

#[test]
fn turns_close_what_is_waited_for_where_turns_count() {
    let agents = [agent(1), agent(2), agent(3)];
    let event = |id, stop: &str| {
        format!(r#"{{"type":"agent.waiting","agent_id":"{id}","data":{{"stop_reason":"{stop}"}}}}"#)
    };
    let mut ends = Open::of(&agents[..1], false, Until::End);
    ends.event(&event(agents[0].id, "end_turn"));
    assert!(!ends.is_done(), "a turn's end is no end");

    let mut open = Open::of(&agents, false, Until::Turn);
    open.event(&event(agents[0].id, "end_turn"));
    open.event(&event(agents[1].id, "refusal"));
    open.event(&event(agents[1].id, "end_turn"));
    let waits = AgentBody { status: Status::Waiting, ..agents[2].clone() };
    let asks = AgentBody { asks: Some(serde_json::json!({})), ..waits.clone() };
    open.refresh(&[asks]);
    assert!(!open.is_done(), "one that asks is in its turn");
    open.refresh(&[waits]);
    assert!(open.is_done());
    assert_eq!(code_of_answers(&agents[..1], &open.cut_short), 0);
    assert_eq!(code_of_answers(&agents, &open.cut_short), 1);
    assert_eq!(code_of_answers(&[ended(Status::Failed, Some(3), None)], &open.cut_short), 3);
}

#[test]
fn any_is_done_with_the_first() {
    let agents = [agent(2), agent(3)];
    let mut open = Open::of(&agents, true, Until::End);
    assert!(!open.is_done());
    open.refresh(&[AgentBody { status: Status::Killed, ..agents[1].clone() }]);
    assert!(open.is_done());
    assert!(
        Open::of(&[ended(Status::Completed, None, None), agent(2)], true, Until::End).is_done()
    );
}

#[test]
fn the_stream_begins_where_the_list_was_made() {
    let mut agents =
        vec![agent(7), agent(5), AgentBody { last_seq: Seq(1), ..ended(Status::Lost, None, None) }];
    let query = open_query(&agents, Until::End);
    assert_eq!(query.since.as_deref(), Some("5"));
    assert_eq!(query.agent, [agents[0].id.to_string(), agents[1].id.to_string()]);
    assert_eq!(query.r#type.len(), 5);
    agents.extend((10..100).map(agent));
    let query = open_query(&agents, Until::End);
    assert_eq!((query.agent.len(), query.group.as_deref()), (0, Some("nightly")));
    agents[0].group = None;
    let query = open_query(&agents, Until::End);
    assert_eq!((query.agent.len(), query.group), (0, None));
}

fn context() -> Context {
    let paths = Paths::resolve(|name| (name == "DASH_HOME").then(|| "/nowhere".into())).unwrap();
    Context { paths, show: Show::detect(true, false, Color::Never, |_| None) }
}

/// A daemon that goes away before the agent ends, and says so when it is asked again from `since`.
#[tokio::test]
async fn a_wait_outlives_the_daemon_it_began_with() {
    let listed = api::AgentsPage {
        agents: vec![ended(Status::Failed, Some(3), None)],
        next: None,
        older: None,
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let events = {
        let asked = Arc::clone(&asked);
        move |uri: Uri| async move {
            assert!(uri.query().unwrap().starts_with("since=1&agent="), "{uri}");
            let id = agent(1).id;
            let end = format!(
                "id: 9\ndata: {{\"seq\":9,\"type\":\"agent.failed\",\"agent_id\":\"{id}\",\"data\":{{}}}}\n\n"
            );
            let body = if asked.fetch_add(1, Ordering::Relaxed) < 3 { ":\n\n".into() } else { end };
            ([("content-type", "text/event-stream")], body).into_response()
        }
    };
    let agents = serde_json::to_string(&listed).unwrap();
    let router = Router::new()
        .route(api::EVENTS, get(events))
        .route(api::AGENTS, get(|| async move { agents.clone() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::new(&Target::Url { url, key: None, ca: None }).unwrap();
    let context = context();
    let agents = [agent(1)];
    let wait = until_ended(&context, &client, &agents, false);
    let ended = tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap().unwrap();
    assert_eq!(code_of_all(&ended), 3);
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}
