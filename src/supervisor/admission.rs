//! Who may run, and who is next.
//!
//! A [`Place`] is the right to run. There are exactly as many as are configured, whoever asks at
//! whatever moment; one that is given back goes to whoever has waited longest.

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
    taken: usize,
    longest: usize,
    /// By arrival.
    waiting: BTreeMap<u64, oneshot::Sender<Place>>,
    next_ticket: u64,
}

/// The right to run. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Option<Admission>,
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

/// The queue is full; so many are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull(pub(super) usize);

impl Admission {
    /// So many places, and at most so many in the queue for them.
    pub(super) fn new(places: usize, longest: usize) -> Self {
        let queue = Queue { places, taken: 0, longest, waiting: BTreeMap::new(), next_ticket: 0 };
        Self { queue: Arc::new(Mutex::new(queue)) }
    }

    /// A ticket for each of `count`, or none at all when the queue would grow too long.
    pub(super) fn reserve(&self, count: usize) -> Result<Vec<Ticket>, QueueFull> {
        let mut queue = self.lock();
        let free =
            if queue.waiting.is_empty() { queue.places.saturating_sub(queue.taken) } else { 0 };
        let later = count.saturating_sub(free);
        if queue.waiting.len() + later > queue.longest {
            return Err(QueueFull(queue.waiting.len()));
        }
        let now = (0..count - later).map(|_| Ticket::Now(self.take(&mut queue)));
        let mut tickets: Vec<Ticket> = now.collect();
        tickets.extend((0..later).map(|_| Ticket::Later(self.wait(&mut queue))));
        Ok(tickets)
    }

    /// A place for an agent that runs already, whether one is free or not.
    pub(super) fn occupy(&self) -> Place {
        self.take(&mut self.lock())
    }

    /// The end of the queue, for an agent that was queued already, however long the queue is.
    pub(super) fn requeue(&self) -> Ticket {
        let mut queue = self.lock();
        if queue.waiting.is_empty() && queue.taken < queue.places {
            return Ticket::Now(self.take(&mut queue));
        }
        Ticket::Later(self.wait(&mut queue))
    }

    fn take(&self, queue: &mut Queue) -> Place {
        queue.taken += 1;
        Place { admission: Some(self.clone()) }
    }

    fn wait(&self, queue: &mut Queue) -> Waiting {
        let (sender, place) = oneshot::channel();
        let number = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.insert(number, sender);
        Waiting { number, place, admission: self.clone() }
    }

    /// One place is given back: the longest waiting gets it.
    fn give_back(&self) {
        let mut queue = self.lock();
        queue.taken -= 1;
        while queue.taken < queue.places {
            let Some((_, next)) = queue.waiting.pop_first() else { return };
            let place = self.take(&mut queue);
            if let Err(mut unwanted) = next.send(place) {
                // Dropping it here would come back to this function with the lock held.
                unwanted.admission = None;
                queue.taken -= 1;
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
            admission.give_back();
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
        let gone = self.admission.lock().waiting.remove(&self.number);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Admission {
        fn numbers(&self) -> (usize, usize) {
            let queue = self.lock();
            (queue.taken, queue.waiting.len())
        }
    }

    fn settle(tickets: &mut [Ticket]) -> usize {
        for ticket in tickets.iter_mut() {
            if let Ticket::Later(waiting) = ticket
                && let Ok(place) = waiting.place.try_recv()
            {
                *ticket = Ticket::Now(place);
            }
        }
        tickets.iter().filter(|ticket| matches!(ticket, Ticket::Now(_))).count()
    }

    proptest! {
        /// Whoever comes and goes in whatever order: never more places than there are, none idle
        /// while somebody waits, first come first served.
        #[test]
        fn places_are_exact(
            places in 1..5usize,
            steps in prop::collection::vec((any::<bool>(), 0..6usize), 1..60),
        ) {
            let admission = Admission::new(places, 8);
            let mut tickets: Vec<Ticket> = Vec::new();
            for (arrive, n) in steps {
                if arrive {
                    if let Ok(new) = admission.reserve(n) { tickets.extend(new) }
                } else if !tickets.is_empty() {
                    tickets.remove(n % tickets.len());
                }
                let running = settle(&mut tickets);
                let waiting = tickets.len() - running;
                prop_assert!(running <= places && waiting <= 8);
                prop_assert!(waiting == 0 || running == places);
                prop_assert_eq!(admission.numbers(), (running, waiting));
                let first_waiting = tickets.iter().position(|t| matches!(t, Ticket::Later(_)));
                let last_running = tickets.iter().rposition(|t| matches!(t, Ticket::Now(_)));
                if let (Some(first), Some(last)) = (first_waiting, last_running) {
                    prop_assert!(last < first);
                }
            }
            drop(tickets);
            prop_assert_eq!(admission.numbers(), (0, 0));
        }
    }

    #[test]
    fn a_request_gets_all_its_tickets_or_none() {
        let admission = Admission::new(1, 2);
        assert_eq!(admission.reserve(4).unwrap_err(), QueueFull(0));
        assert_eq!(admission.numbers(), (0, 0));
        let kept = admission.reserve(3).unwrap();
        assert_eq!(admission.reserve(1).unwrap_err(), QueueFull(2));
        drop(kept);
        assert_eq!(admission.reserve(3).unwrap().len(), 3);
    }

    #[test]
    fn agents_that_run_already_are_never_turned_away() {
        let admission = Admission::new(1, 1);
        let places = [admission.occupy(), admission.occupy()];
        assert!(matches!(admission.requeue(), Ticket::Later(_)));
        assert_eq!(admission.numbers(), (2, 0));
        drop(places);
        assert!(matches!(admission.requeue(), Ticket::Now(_)));
    }
}
