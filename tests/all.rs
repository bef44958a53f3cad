//! The one integration binary. Every test that needs a daemon gets a real one, in a home of its own.

#![allow(unreachable_pub, reason = "nobody imports a test binary")]

mod admission;
mod architecture;
mod env;
mod followers;
mod on_demand;
mod restart;
mod shells;
mod terminal;
mod thousand;
