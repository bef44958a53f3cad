use super::*;

fn size<F>(_: impl Fn(Box<Actor>) -> F) -> usize {
    size_of::<F>()
}

/// A thousand actors wait at once: what they may come to do is no reason to hold memory.
#[test]
fn an_actor_that_waits_takes_little() {
    let takes = size_of::<Actor>() + size(|actor| actor.live(true));
    assert!(takes <= 1500, "{takes} bytes");
}
