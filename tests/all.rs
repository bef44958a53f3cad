//! The one integration binary. Every test that needs a daemon gets a real one, in a home of its own.

mod architecture;
mod chaos;
mod endure;
mod env;
