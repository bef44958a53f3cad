//! Whole lives of an agent, driven through `decide` and the fold without a process or a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{AgentId, Event, Runtime, Seq, Spawned, Spec, Started, Waiting};

/// An agent, its log, and what a runtime would have been told.
struct Life {
    agent: Agent,
    log: Vec<Fact>,
    runs: usize,
    finished: bool,
    in_flight: BTreeSet<MessageId>,
    refusals: usize,
    stops: Vec<Stop>,
    timers: BTreeMap<&'static str, Duration>,
}

fn spec(stdin: bool) -> Spec {
    Spec {
        runtime: Runtime::Command,
        profile: None,
        label: None,
        metadata: BTreeMap::new(),
        group: None,
        session: None,
        command: Some(vec!["true".into()]),
        program: None,
        task: None,
        cwd: "/".into(),
        env: Vec::new(),
        timeout_ms: Some(5_000),
        model: None,
        memory_mb: None,
        stdin,
        conversation: crate::model::Conversation::default(),
        ancestors: Vec::new(),
        children: None,
    }
}

fn event(seq: usize, fact: &Fact, spec: &Arc<Spec>) -> Event {
    let seq = u64::try_from(seq).unwrap();
    Event {
        seq: Seq(seq),
        time: Timestamp::from_second(i64::try_from(seq).unwrap()).unwrap(),
        kind: fact.event_type(),
        agent: AgentId::from_bits(1),
        spec: Arc::clone(spec),
        data: fact.to_data(),
    }
}

impl Life {
    fn new(stdin: bool) -> Self {
        Self::with(&Arc::new(spec(stdin)))
    }

    fn with(spec: &Arc<Spec>) -> Self {
        let fact = Fact::Spawned(Box::new(Spawned {
            spec: Arc::clone(spec),
            by: Actor::user("me"),
            index: 1,
            queued: Some("full".into()),
            environment: None,
        }));
        let agent = Agent::spawned(&event(1, &fact, spec), &fact).unwrap();
        Self {
            agent,
            log: vec![fact],
            runs: 0,
            finished: false,
            in_flight: BTreeSet::new(),
            refusals: 0,
            stops: Vec::new(),
            timers: BTreeMap::new(),
        }
    }

    fn begun(&self) -> bool {
        self.runs > 0
    }

    fn take(&mut self, input: Input) {
        if let Input::Delivered(id) | Input::Undeliverable(id, _) = &input {
            self.in_flight.remove(id);
        }
        for action in decide(&self.agent, input) {
            let refusal = matches!(action, Action::Refuse(_));
            assert!(refusal || !self.finished, "nothing follows the end: {action:?}");
            match action {
                Action::Record(fact) => {
                    self.agent.admits(&fact).expect("a decision is admitted");
                    let spec = Arc::clone(&self.agent.spec);
                    let event = event(self.log.len() + 1, &fact, &spec);
                    self.agent.apply(&event, &fact);
                    self.log.push(fact);
                }
                Action::Run => self.runs += 1,
                Action::Deliver(message) => {
                    assert!(self.in_flight.insert(message.id), "delivered twice");
                    assert_eq!(self.in_flight.len(), 1, "one message is on its way at a time");
                }
                Action::Stop(stop) => self.stops.push(stop),
                Action::Arm(Timer::Timeout, after) => drop(self.timers.insert("timeout", after)),
                Action::Arm(Timer::Grace, after) => drop(self.timers.insert("grace", after)),
                Action::Arm(Timer::Ask | Timer::Idle, _)
                | Action::Decided { .. }
                | Action::Cancel => {}
                Action::Refuse(_) => self.refusals += 1,
                Action::Finish => self.finished = true,
            }
        }
    }

    fn send(&mut self, n: u64) {
        let message = Message { id: MessageId::from_bits(n), text: format!("{n}").into() };
        self.take(Input::Sent { message, by: Actor::user("me") });
    }

    fn kill(&mut self, grace_ms: u64) {
        let begun = self.begun();
        let (cause, by, signal) = (StopCause::Kill, Actor::user("me"), Signal::TERM);
        self.take(Input::StopAsked { cause, by, signal, grace_ms, reason: None, begun });
    }

    fn limit(&mut self) {
        let begun = self.begun();
        let (cause, by, signal) = (StopCause::Limit, Actor::daemon(), Signal::TERM);
        let (grace_ms, reason) = (10_000, Some("all is used".to_owned()));
        self.take(Input::StopAsked { cause, by, signal, grace_ms, reason, begun });
    }

    fn started(&mut self) {
        self.take(Input::Admitted);
        self.take(Input::Reported(Fact::Started(Started { pid: Some(1), process_start: Some(1) })));
    }

    fn states(&self, n: u64) -> Vec<Delivery> {
        let id = MessageId::from_bits(n);
        let inputs = self.log.iter().filter_map(|fact| match fact {
            Fact::Input(input) if input.message_id == id => Some(input.state),
            _ => None,
        });
        inputs.collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Admit,
    Start,
    Wait,
    Send,
    Deliver(bool),
    Kill(u64),
    Timeout,
    Grace,
    Exit(Exit),
}

fn any_step() -> impl Strategy<Value = Step> {
    let exit = |code, signal, unseen| Exit { code, signal, unseen, ..Exit::default() };
    prop_oneof![
        3 => Just(Step::Admit),
        3 => Just(Step::Start),
        2 => Just(Step::Wait),
        6 => Just(Step::Send),
        6 => any::<bool>().prop_map(Step::Deliver),
        1 => prop_oneof![Just(0), Just(1_000)].prop_map(Step::Kill),
        1 => Just(Step::Timeout),
        1 => Just(Step::Grace),
        1 => prop_oneof![
            Just(Step::Exit(exit(Some(0), None, false))),
            Just(Step::Exit(exit(Some(3), None, false))),
            Just(Step::Exit(exit(None, Some(Signal::KILL), false))),
            Just(Step::Exit(exit(None, None, true))),
        ],
    ]
}

#[test]
fn a_limit_is_said_once_and_is_the_reason() {
    let mut life = Life::new(false);
    life.started();
    life.limit();
    life.limit();
    assert_eq!(
        (life.stops.len(), life.log.iter().filter(|it| matches!(it, Fact::Stopping(_))).count()),
        (1, 1)
    );
    life.take(Input::Exited(Exit { signal: Some(Signal::TERM), ..Exit::default() }));
    assert_eq!(
        (life.agent.status, life.agent.reason().as_deref()),
        (Status::Killed, Some("all is used"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: one end at most, and with it every message has been
    /// settled; one attempt; messages one at a time, in order; and the end says what was ordered.
    #[test]
    fn every_life_is_in_order(stdin: bool, steps in prop::collection::vec(any_step(), 1..60)) {
        let mut life = Life::new(stdin);
        let mut sent = 0;
        let mut delivered = Vec::new();
        for step in steps {
            match step {
                Step::Admit if !life.begun() && !life.finished => life.take(Input::Admitted),
                Step::Start if life.begun() && life.agent.started_at.is_none() && !life.finished => {
                    life.take(Input::Reported(Fact::Started(Started::default())));
                }
                Step::Wait if life.agent.started_at.is_some() => {
                    life.take(Input::Reported(Fact::Waiting(Waiting::default())));
                }
                Step::Send => {
                    sent += 1;
                    life.send(sent);
                }
                Step::Deliver(taken) => {
                    if let Some(id) = life.in_flight.first().copied() {
                        if taken {
                            delivered.push(id);
                            life.take(Input::Delivered(id));
                        } else {
                            life.take(Input::Undeliverable(id, "no".into()));
                        }
                    }
                }
                Step::Kill(grace) => life.kill(grace),
                Step::Timeout => life.take(Input::TimeoutOver { grace_ms: 10 }),
                Step::Grace => life.take(Input::GraceOver),
                Step::Exit(exit) if life.begun() && !life.finished => life.take(Input::Exited(exit)),
                _ => {}
            }
            prop_assert!(life.runs <= 1);
            prop_assert_eq!(life.finished, life.agent.status.is_end());
        }
        let ends = life.log.iter().filter(|fact| fact.event_type().is_end()).count();
        prop_assert_eq!(ends, usize::from(life.finished));
        prop_assert!(delivered.is_sorted());
        for n in 1..=sent {
            let states = life.states(n);
            if life.finished {
                prop_assert!(matches!(
                    states[..],
                    [] | [Delivery::Refused] | [Delivery::Queued, Delivery::Delivered | Delivery::Refused]
                ), "{states:?}");
            }
        }
        if life.finished && life.agent.stopping.is_some() {
            prop_assert!(matches!(life.agent.status, Status::Killed | Status::TimedOut));
        }
    }
}

#[test]
fn an_exit_means_what_was_seen_and_ordered() {
    let exit = |code, signal| Exit { code, signal, ..Exit::default() };
    let cases = [
        (exit(Some(0), None), Status::Completed),
        (exit(Some(3), None), Status::Failed),
        (exit(None, Some(Signal::KILL)), Status::Failed),
        (Exit { reason: Some("no such program".into()), ..Exit::default() }, Status::Failed),
        (Exit { unseen: true, ..Exit::default() }, Status::Lost),
    ];
    for (exit, expected) in cases {
        let mut life = Life::new(false);
        life.started();
        life.take(Input::Exited(exit.clone()));
        assert_eq!(life.agent.status, expected, "{exit:?}");

        let mut life = Life::new(false);
        life.started();
        life.kill(10);
        life.take(Input::Exited(exit.clone()));
        assert_eq!(life.agent.status, Status::Killed, "{exit:?}");

        let mut life = Life::new(false);
        life.started();
        life.take(Input::TimeoutOver { grace_ms: 10 });
        life.take(Input::Exited(exit.clone()));
        assert_eq!(life.agent.status, Status::TimedOut, "{exit:?}");
        assert!(life.agent.end.reason.as_ref().unwrap().contains("5000 ms"));
    }
}

#[test]
fn processes_that_could_not_be_killed_are_told_whatever_it_ended_for() {
    let order = |life: &mut Life, cause| {
        let (by, signal, begun) = (Actor::daemon(), Signal::TERM, true);
        let reason = (cause == StopCause::Limit).then(|| "all is used".to_owned());
        life.take(Input::StopAsked { cause, by, signal, grace_ms: 10, reason, begun });
    };
    for (cause, why) in [
        (None, Some("by itself")),
        (Some(StopCause::Kill), Some("by itself")),
        (Some(StopCause::Timeout), Some("longer than its timeout of 5000 ms")),
        (Some(StopCause::Shutdown), Some("the daemon ended its agents")),
        (Some(StopCause::Limit), Some("all is used")),
        (Some(StopCause::Kill), None),
    ] {
        let mut life = Life::new(false);
        life.started();
        if let Some(cause) = cause {
            order(&mut life, cause);
        }
        let reason = why.filter(|why| *why == "by itself").map(str::to_owned);
        life.take(Input::Exited(Exit { reason, survivors: 2, ..Exit::default() }));
        let told = life.agent.end.reason.as_deref().unwrap();
        assert!(told.ends_with("2 of its processes could not be killed"), "{cause:?}: {told}");
        assert!(why.is_none_or(|why| told.contains(why)), "{cause:?}: {told}");
    }
}

#[test]
fn a_kill_asks_then_insists() {
    let mut life = Life::new(false);
    life.started();
    life.kill(700);
    assert_eq!(life.stops, [Stop::Ask(Signal::TERM)]);
    assert_eq!(life.timers["grace"], Duration::from_millis(700));
    life.take(Input::GraceOver);
    assert_eq!(life.stops, [Stop::Ask(Signal::TERM), Stop::Now]);

    let mut life = Life::new(false);
    life.started();
    life.kill(0);
    assert_eq!(life.stops, [Stop::Now]);
}

#[test]
fn a_queued_agent_is_killed_without_a_run() {
    let mut life = Life::new(false);
    life.kill(700);
    assert!(life.finished);
    assert_eq!((life.runs, life.agent.status), (0, Status::Killed));
}

#[test]
fn a_kill_between_admission_and_start_waits_for_the_process() {
    let mut life = Life::new(false);
    life.take(Input::Admitted);
    life.kill(700);
    assert!(!life.finished, "there may be a process");
    life.take(Input::Reported(Fact::Started(Started::default())));
    assert_eq!(life.agent.status, Status::Stopping);
    life.take(Input::Exited(Exit { signal: Some(Signal::TERM), ..Exit::default() }));
    assert_eq!(life.agent.status, Status::Killed);
}

#[test]
fn messages_wait_for_the_start_and_for_each_other() {
    let mut life = Life::new(true);
    life.send(1);
    life.send(2);
    assert!(life.in_flight.is_empty());
    life.started();
    assert_eq!(life.in_flight.first(), Some(&MessageId::from_bits(1)));
    life.take(Input::Delivered(MessageId::from_bits(1)));
    assert_eq!(life.in_flight.first(), Some(&MessageId::from_bits(2)));
    life.take(Input::Exited(Exit::default()));
    assert_eq!(life.states(1), [Delivery::Queued, Delivery::Delivered]);
    assert_eq!(life.states(2), [Delivery::Queued, Delivery::Refused]);
}

#[test]
fn an_agent_without_input_refuses_with_the_reason() {
    let mut life = Life::new(false);
    life.started();
    life.send(1);
    assert_eq!(life.states(1), [Delivery::Refused]);
    assert_eq!(life.refusals, 1);
    let Some(Fact::Input(input)) = life.log.last() else { panic!("no input recorded") };
    assert!(input.reason.as_ref().unwrap().contains("--stdin"));
}

#[test]
fn an_agent_taken_back_goes_on_where_it_was() {
    let mut life = Life::new(true);
    life.started();
    life.send(1);
    let started = life.agent.started_at.unwrap();
    let later = started.checked_add(jiff::Span::new().seconds(2)).unwrap();

    // A new daemon knows nothing but the log.
    life.runs = 0;
    life.in_flight.clear();
    life.timers.clear();
    life.take(Input::TakenBack { now: later });
    assert_eq!(life.runs, 1);
    assert_eq!(life.timers["timeout"], Duration::from_secs(3));
    assert_eq!(life.in_flight.first(), Some(&MessageId::from_bits(1)));

    life.kill(1_000);
    let order = life.agent.stopping.clone().unwrap();
    life.runs = 0;
    life.stops.clear();
    life.in_flight.clear();
    let much_later = order.at.checked_add(jiff::Span::new().hours(1)).unwrap();
    life.take(Input::TakenBack { now: much_later });
    assert_eq!(life.stops, [Stop::Ask(Signal::TERM)]);
    assert_eq!(life.timers["grace"], Duration::ZERO);
}

#[test]
fn an_agent_that_waits_too_long_is_ended_and_one_that_was_told_something_is_not() {
    let mut spec = spec(false);
    spec.runtime = Runtime::Scripted;
    spec.conversation.idle_timeout_ms = Some(60_000);
    let mut life = Life::with(&Arc::new(spec));
    let waiting = Fact::Waiting(Waiting::default());
    life.take(Input::Admitted);
    life.take(Input::Reported(Fact::Started(Started::default())));
    let armed = Action::Arm(Timer::Idle, Duration::from_mins(1));
    assert!(decide(&life.agent, Input::Reported(waiting.clone())).contains(&armed));
    assert_eq!(decide(&life.agent, Input::IdleOver), [], "its turn runs");
    life.take(Input::Reported(waiting));
    let now = Timestamp::from_second(9).unwrap();
    assert!(decide(&life.agent, Input::TakenBack { now }).contains(&armed));
    let actions = decide(&life.agent, Input::IdleOver);
    let [Action::Record(Fact::Stopping(order)), ..] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(order.cause, StopCause::Limit);
    assert!(order.reason.as_ref().unwrap().contains("60000 ms"), "{order:?}");
    life.send(1);
    assert_eq!(decide(&life.agent, Input::IdleOver), [], "a message is on its way");
}
