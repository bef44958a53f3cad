//! Who may run, and who is next.
//!
//! A [`Place`] is the right to run. There are exactly as many as are configured, and all that are taken
//! fit the memory there is for them, whoever asks at whatever moment; what is given back goes to whoever
//! has waited longest. Nobody overtakes: a small agent waits behind a large one that came before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// The places, and the queue for them. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug)]
struct Queue {
    places: usize,
    /// Mebibytes.
    memory: u64,
    taken: usize,
    /// Mebibytes.
    taken_memory: u64,
    longest: usize,
    /// By arrival.
    waiting: BTreeMap<u64, Wanted>,
    next_ticket: u64,
}

/// Somebody who waits.
#[derive(Debug)]
struct Wanted {
    memory: u64,
    tell: oneshot::Sender<Place>,
}

/// The right to run. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Option<Admission>,
    memory: u64,
}

/// Where somebody stands who wants to run.
#[derive(Debug)]
pub(super) enum Ticket {
    Now(Place),
    Later(Waiting),
}

/// A place in the queue. Given up when it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    number: u64,
    place: oneshot::Receiver<Place>,
    admission: Admission,
}

/// What is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) places: usize,
    /// Mebibytes.
    pub(super) memory: u64,
}

/// The queue is full; so many are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull(pub(super) usize);

impl Queue {
    /// Whether one more of this size may run now. One that is larger than all the memory there is runs
    /// alone: it would wait for ever otherwise.
    fn fits(&self, memory: u64) -> bool {
        self.taken < self.places
            && (self.taken == 0 || self.taken_memory.saturating_add(memory) <= self.memory)
    }
}

impl Admission {
    /// So many places, so many mebibytes for all of them, and at most so many in the queue.
    pub(super) fn new(places: usize, memory: u64, longest: usize) -> Self {
        let queue = Queue {
            places,
            memory,
            taken: 0,
            taken_memory: 0,
            longest,
            waiting: BTreeMap::new(),
            next_ticket: 0,
        };
        Self { queue: Arc::new(Mutex::new(queue)) }
    }

    /// A ticket for each of `count` that take `memory` mebibytes each, or none at all when the queue
    /// would grow too long.
    pub(super) fn reserve(&self, count: usize, memory: u64) -> Result<Vec<Ticket>, QueueFull> {
        let mut queue = self.lock();
        let mut tickets = Vec::with_capacity(count);
        while tickets.len() < count && queue.waiting.is_empty() && queue.fits(memory) {
            tickets.push(Ticket::Now(self.take(&mut queue, memory)));
        }
        let later = count - tickets.len();
        if queue.waiting.len() + later > queue.longest {
            let full = QueueFull(queue.waiting.len());
            // Places that are dropped ask for the lock.
            drop(queue);
            return Err(full);
        }
        tickets.extend((0..later).map(|_| Ticket::Later(self.wait(&mut queue, memory))));
        Ok(tickets)
    }

    /// A place for an agent that runs already, whether one is free or not.
    pub(super) fn occupy(&self, memory: u64) -> Place {
        self.take(&mut self.lock(), memory)
    }

    /// The end of the queue, for an agent that was queued already, however long the queue is.
    pub(super) fn requeue(&self, memory: u64) -> Ticket {
        let mut queue = self.lock();
        if queue.waiting.is_empty() && queue.fits(memory) {
            return Ticket::Now(self.take(&mut queue, memory));
        }
        Ticket::Later(self.wait(&mut queue, memory))
    }

    /// What is taken now.
    pub(super) fn taken(&self) -> Taken {
        let queue = self.lock();
        Taken { places: queue.taken, memory: queue.taken_memory }
    }

    fn take(&self, queue: &mut Queue, memory: u64) -> Place {
        queue.taken += 1;
        queue.taken_memory += memory;
        Place { admission: Some(self.clone()), memory }
    }

    fn wait(&self, queue: &mut Queue, memory: u64) -> Waiting {
        let (tell, place) = oneshot::channel();
        let number = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.insert(number, Wanted { memory, tell });
        Waiting { number, place, admission: self.clone() }
    }

    /// A place is given back.
    fn give_back(&self, memory: u64) {
        let mut queue = self.lock();
        queue.taken -= 1;
        queue.taken_memory -= memory;
        self.admit(&mut queue);
    }

    /// Whoever has waited longest runs, as long as there is room.
    fn admit(&self, queue: &mut Queue) {
        while let Some(memory) = queue.waiting.first_key_value().map(|(_, next)| next.memory)
            && queue.fits(memory)
        {
            let Some((_, next)) = queue.waiting.pop_first() else { return };
            let place = self.take(queue, next.memory);
            if let Err(mut unwanted) = next.tell.send(place) {
                // Dropping it here would come back to this function with the lock held.
                unwanted.admission = None;
                queue.taken -= 1;
                queue.taken_memory -= next.memory;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.give_back(self.memory);
        }
    }
}

impl Waiting {
    /// Resolves when there is a place. Cancel safe.
    pub(super) async fn place(&mut self) -> Option<Place> {
        (&mut self.place).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queue = self.admission.lock();
        let gone = queue.waiting.remove(&self.number);
        // Somebody smaller may have waited behind it.
        self.admission.admit(&mut queue);
        drop(queue);
        drop(gone);
    }
}

/// Where an agent stands with admission.
pub(super) enum Standing {
    Waits(Waiting),
    /// For as long as it holds the place.
    Runs(#[expect(dead_code, reason = "dropping it gives it back")] Place),
}

impl Standing {
    /// The place that it has waited for; `None` when there will be none. Cancel safe. Does not resolve for one that
    /// has its place.
    pub(super) async fn place(&mut self) -> Option<Place> {
        match self {
            Self::Waits(waiting) => waiting.place().await,
            Self::Runs(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Admission {
        fn waiting(&self) -> usize {
            self.lock().waiting.len()
        }
    }

    fn settle(tickets: &mut [(u64, Ticket)]) -> usize {
        for (_, ticket) in tickets.iter_mut() {
            if let Ticket::Later(waiting) = ticket
                && let Ok(place) = waiting.place.try_recv()
            {
                *ticket = Ticket::Now(place);
            }
        }
        tickets.iter().filter(|(_, ticket)| matches!(ticket, Ticket::Now(_))).count()
    }

    proptest! {
        /// Whoever comes and goes in whatever order: never more places than there are nor more memory
        /// but for one that runs alone, nothing idle while the first in line would fit, first come
        /// first served.
        #[test]
        fn places_are_exact(
            places in 1..5usize,
            memory in 1..12u64,
            steps in prop::collection::vec((any::<bool>(), 0..6usize, 0..6u64), 1..60),
        ) {
            let admission = Admission::new(places, memory, 8);
            let mut tickets: Vec<(u64, Ticket)> = Vec::new();
            for (arrive, n, each) in steps {
                if arrive {
                    let new = admission.reserve(n, each).unwrap_or_default();
                    tickets.extend(new.into_iter().map(|ticket| (each, ticket)));
                } else if !tickets.is_empty() {
                    tickets.remove(n % tickets.len());
                }
                let running = settle(&mut tickets);
                let waiting = tickets.len() - running;
                let runs = |(_, ticket): &&(u64, Ticket)| matches!(ticket, Ticket::Now(_));
                let used: u64 = tickets.iter().filter(runs).map(|(each, _)| each).sum();
                prop_assert!(running <= places && waiting <= 8);
                prop_assert!(used <= memory || running == 1);
                let first = tickets.iter().find(|ticket| !runs(ticket));
                prop_assert!(first.is_none_or(|(each, _)| running == places || used + each > memory));
                prop_assert_eq!(admission.taken(), Taken { places: running, memory: used });
                prop_assert_eq!(admission.waiting(), waiting);
                let first_waiting = tickets.iter().position(|ticket| !runs(&ticket));
                let last_running = tickets.iter().rposition(|ticket| runs(&ticket));
                if let (Some(first), Some(last)) = (first_waiting, last_running) {
                    prop_assert!(last < first);
                }
            }
            drop(tickets);
            prop_assert_eq!(admission.taken(), Taken { places: 0, memory: 0 });
            prop_assert_eq!(admission.waiting(), 0);
        }
    }

    #[test]
    fn a_request_gets_all_its_tickets_or_none() {
        let admission = Admission::new(1, 10, 2);
        assert_eq!(admission.reserve(4, 1).unwrap_err(), QueueFull(0));
        assert_eq!((admission.taken().places, admission.waiting()), (0, 0));
        let kept = admission.reserve(3, 1).unwrap();
        assert_eq!(admission.reserve(1, 1).unwrap_err(), QueueFull(2));
        drop(kept);
        assert_eq!(admission.reserve(3, 1).unwrap().len(), 3);
    }

    #[test]
    fn agents_that_run_already_are_never_turned_away() {
        let admission = Admission::new(1, 10, 1);
        let places = [admission.occupy(8), admission.occupy(8)];
        assert!(matches!(admission.requeue(1), Ticket::Later(_)));
        assert_eq!((admission.taken().places, admission.waiting()), (2, 0));
        drop(places);
        assert!(matches!(admission.requeue(1), Ticket::Now(_)));
    }

    #[test]
    fn whoever_leaves_the_queue_lets_the_smaller_one_behind_it_run() {
        let admission = Admission::new(9, 10, 9);
        let _first = admission.occupy(6);
        let large = admission.requeue(8);
        let mut small = vec![(2, admission.requeue(2))];
        assert_eq!(settle(&mut small), 0, "it may not overtake");
        drop(large);
        assert_eq!(settle(&mut small), 1);
    }

    #[test]
    fn one_that_is_larger_than_everything_runs_alone() {
        let admission = Admission::new(9, 10, 9);
        let alone = admission.requeue(50);
        assert!(matches!(alone, Ticket::Now(_)));
        let mut next = vec![(1, admission.requeue(1))];
        assert_eq!(settle(&mut next), 0);
        drop(alone);
        assert_eq!(settle(&mut next), 1);
    }
}
