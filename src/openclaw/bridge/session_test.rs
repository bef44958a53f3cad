//! Whole lives of what a session is owed, with time as an argument.

use super::super::notice::Kind;
use super::super::outbox::{Kept, KeptSession, Order, Outbox};
use super::*;

const PACE: Pace = Pace { interval: Duration::from_millis(200), lines_max: 3 };

struct Trial {
    session: Session,
    now: Instant,
}

impl Trial {
    fn new() -> Self {
        Self { session: Session::new(), now: Instant::now() }
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn say(&mut self, text: &str) {
        let agent = AgentId::from_bits(1);
        let line = Line { agent, name: "a".into(), text: text.into() };
        self.session.line(line, PACE, self.now);
    }

    fn owe(&mut self, seq: u64, react: bool) {
        let what = format!("ended at {seq}");
        let words = Some(Words { name: "a".into(), what, result: Vec::new() });
        let (seq, agent) = (Seq(seq), AgentId::from_bits(seq));
        let notice = Notice { seq, agent, kind: Kind::Ended, react, words };
        self.session.owe(notice, self.now);
    }

    fn step(&mut self) -> Option<Step> {
        self.session.step("i", PACE, self.now, Timestamp::UNIX_EPOCH)
    }

    /// The next step, whenever it is due.
    fn next(&mut self) -> Step {
        let due = self.session.due().expect("something is due");
        self.now = self.now.max(due);
        self.step().expect("it is due")
    }

    fn done(&mut self, outcome: Outcome) -> Settled {
        self.session.done(outcome, self.now)
    }
}

fn parts(step: &Step) -> (Way, &str, &str) {
    match step {
        Step::Post { way, marker, text } => (*way, marker, text),
        Step::Look { way, marker, .. } => (*way, marker, ""),
    }
}

fn refused(retryable: bool) -> Outcome {
    Outcome::Refused { message: "session not found".into(), retryable }
}

#[test]
fn lines_that_come_together_are_one_message_and_the_next_waits() {
    let mut trial = Trial::new();
    trial.say("one");
    assert_eq!(trial.step(), None, "what comes within a moment goes with it");
    trial.pass(GATHER / 2).say("two");
    let step = trial.pass(GATHER).step().unwrap();
    assert_eq!(parts(&step), (Way::Show, "", "```text\na | one\na | two\n```"));
    trial.session.lines_done(&Outcome::Posted, trial.now);
    trial.say("three");
    assert_eq!(trial.pass(GATHER).step(), None, "not before the interval is over");
    assert!(trial.pass(PACE.interval).step().is_some());
    trial.session.lines_done(&Outcome::Posted, trial.now);
    assert!(trial.session.is_empty());
}

#[test]
fn of_many_lines_the_last_ones_are_shown_and_the_others_counted() {
    let mut trial = Trial::new();
    for n in 1..=10 {
        trial.say(&n.to_string());
    }
    let step = trial.next();
    let id = AgentId::from_bits(1);
    let text = format!(
        "```text\n… 7 earlier lines are not shown here: dashctl logs {}\na | 8\na | 9\na | 10\n```",
        id.short()
    );
    assert_eq!(parts(&step).2, text);
}

#[test]
fn a_session_that_is_written_into_for_minutes_gets_a_message_a_second() {
    let mut trial = Trial::new();
    let begin = trial.now;
    let mut messages = 0;
    while trial.now - begin < Duration::from_mins(10) {
        trial.say("chatter");
        trial.next();
        trial.session.lines_done(&Outcome::Posted, trial.now);
        messages += 1;
    }
    assert!((1_100..=1_260).contains(&messages), "{messages} messages in ten minutes");
    trial.owe(1, false);
    let due = trial.session.due().unwrap();
    assert!(due - trial.now <= PACE.interval + GATHER, "what is owed does not wait for that");
}

#[test]
fn an_end_is_told_once() {
    let mut trial = Trial::new();
    trial.owe(7, false);
    trial.say("last words");
    trial.owe(9, false);
    let step = trial.next();
    assert_eq!(parts(&step).1, "i-9");
    assert!(parts(&step).2.contains("ended at 7") && parts(&step).2.contains("ended at 9"));
    assert_eq!(trial.session.sent().unwrap().seqs, [Seq(7), Seq(9)]);
    trial.say("meanwhile");
    assert_eq!(trial.pass(Duration::from_mins(1)).step(), None, "one at a time");
    let Settled::Told(told) = trial.done(Outcome::Posted) else { panic!() };
    assert_eq!(told.len(), 2);
    assert_eq!(trial.session.count(), 0);
}

#[test]
fn after_a_lost_answer_the_message_is_looked_for_before_it_is_sent_again() {
    let mut trial = Trial::new();
    trial.owe(7, false);
    let first = trial.next();
    assert_eq!(trial.done(Outcome::Lost), Settled::Open);
    assert_eq!(trial.step(), None, "the gateway may still be doing it");
    let look = trial.next();
    assert!(matches!(&look, Step::Look { marker, .. } if marker == "i-7"), "{look:?}");
    assert_eq!(trial.done(Outcome::Absent), Settled::Open);
    trial.owe(8, false);
    assert_eq!(trial.next(), first, "the same words and the same marker");
    trial.done(Outcome::Lost);
    trial.next();
    assert!(matches!(trial.done(Outcome::Posted), Settled::Told(told) if told.len() == 1));
    assert_eq!(parts(&trial.next()).1, "i-8", "and what came meanwhile after it");
}

#[test]
fn what_an_earlier_daemon_sent_is_looked_for_first() {
    let mut trial = Trial::new();
    trial.owe(7, false);
    let sent = Sent {
        way: Way::Show,
        marker: "i-7".into(),
        seqs: vec![Seq(7)],
        at: Timestamp::UNIX_EPOCH,
    };
    trial.session.resume(sent, trial.now);
    assert!(matches!(trial.next(), Step::Look { .. }));
    trial.done(Outcome::Absent);
    let step = trial.next();
    assert_eq!(parts(&step).1, "i-7");
    assert!(parts(&step).2.contains("ended at 7"));
}

#[test]
fn a_gateway_that_does_not_say_what_became_of_a_message_is_asked_again_and_given_nothing() {
    let mut now = Instant::now();
    let sent = Sent {
        way: Way::Turn,
        marker: "dash-i-7".into(),
        seqs: vec![Seq(7)],
        at: Timestamp::UNIX_EPOCH,
    };
    let session = KeptSession { sent: Some(sent), ..KeptSession::default() };
    let sessions = [("s".to_owned(), session)].into();
    let kept = Kept { instance: "i".into(), sessions, ..Kept::default() };
    let mut outbox = Outbox::new(kept, PACE, now);
    let mut last = now;
    for tried in 0..10 {
        now = now.max(outbox.next(now).expect("it is looked for"));
        let orders = outbox.due(now, Timestamp::UNIX_EPOCH);
        let [(key, Order::Message(look @ Step::Look { .. }))] = &orders[..] else {
            panic!("after {tried} refusals: {orders:?}")
        };
        outbox.message_done(key, look, refused(true), now, Timestamp::UNIX_EPOCH);
        last = now;
        now = outbox.next(now).expect("later");
    }
    assert!(now - last >= RETRY_CAP, "less and less often: {:?}", now - last);
    let orders = outbox.due(now, Timestamp::UNIX_EPOCH);
    let [(key, Order::Message(look))] = &orders[..] else { panic!("{orders:?}") };
    outbox.message_done(key, look, Outcome::Absent, now, Timestamp::UNIX_EPOCH);
    now = now.max(outbox.next(now).expect("now it is known"));
    let orders = outbox.due(now, Timestamp::UNIX_EPOCH);
    assert!(matches!(&orders[..], [(_, Order::Message(Step::Post { .. }))]), "{orders:?}");
}

#[test]
fn nothing_is_told_before_it_has_words() {
    let mut trial = Trial::new();
    let agent = AgentId::from_bits(3);
    let notice = Notice { seq: Seq(3), agent, kind: Kind::Ended, react: false, words: None };
    trial.session.owe(notice, trial.now);
    assert_eq!(trial.session.due(), None);
    trial.session.tell(agent, |_| Words { what: "completed".into(), ..Words::default() });
    assert!(parts(&trial.next()).2.contains("completed"));
}

#[test]
fn a_model_has_one_turn_for_agents_that_end_together() {
    let mut trial = Trial::new();
    trial.owe(7, true);
    trial.pass(TURN_GATHER / 2).owe(8, true);
    let step = trial.next();
    let (way, marker, text) = parts(&step);
    assert_eq!((way, marker), (Way::Turn, "dash-i-8"));
    assert!(text.contains("ended at 7") && text.contains("ended at 8"));
    let turned = trial.now;
    assert!(matches!(trial.done(Outcome::Posted), Settled::Told(told) if told.len() == 2));
    trial.owe(9, true);
    trial.next();
    assert!(trial.now - turned >= TURN_PAUSE, "the next turn waits");
}

#[test]
fn a_session_that_is_not_there_is_given_up_after_a_minute() {
    let mut trial = Trial::new();
    let begin = trial.now;
    trial.owe(7, false);
    trial.say("words");
    let dead = loop {
        trial.next();
        if let Settled::Dead(dead, reason) = trial.done(refused(false)) {
            assert_eq!(reason, "session not found");
            break dead;
        }
    };
    assert_eq!(dead.iter().map(|notice| notice.seq).collect::<Vec<_>>(), [Seq(7)]);
    let took = trial.now - begin;
    assert!((Duration::from_secs(30)..Duration::from_mins(2)).contains(&took), "{took:?}");
    trial.owe(8, false);
    trial.next();
    assert!(matches!(trial.done(refused(false)), Settled::Dead(..)), "the next at once");
}

#[test]
fn a_session_that_appears_late_is_told() {
    let mut trial = Trial::new();
    trial.owe(7, false);
    for _ in 0..4 {
        trial.next();
        assert_eq!(trial.done(refused(false)), Settled::Open);
    }
    trial.next();
    assert!(matches!(trial.done(Outcome::Posted), Settled::Told(_)));
}

#[test]
fn a_gateway_that_cannot_now_is_tried_for_an_hour() {
    let mut trial = Trial::new();
    let begin = trial.now;
    trial.owe(7, false);
    let mut tries = 0;
    while trial.now - begin < PATIENCE {
        trial.next();
        tries += 1;
        match trial.done(refused(true)) {
            Settled::Open => {}
            settled => {
                assert!(matches!(settled, Settled::Dead(..)));
                break;
            }
        }
    }
    assert!((100..=140).contains(&tries), "{tries} tries");
    assert!(trial.now - begin >= PATIENCE);
}

#[test]
fn thousands_of_ends_are_told_in_portions() {
    let mut trial = Trial::new();
    for seq in 1..=250 {
        trial.owe(seq, false);
    }
    let mut told = 0;
    while trial.session.count() > 0 {
        trial.next();
        if let Settled::Told(notices) = trial.done(Outcome::Posted) {
            told += notices.len();
        }
    }
    assert_eq!(told, 250);
}
