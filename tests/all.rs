//! The one integration binary. Every test that needs a daemon gets a real one, in a home of its own.

#![allow(unreachable_pub, reason = "nobody imports a test binary")]

mod acp;
mod acp_face;
mod admission;
mod architecture;
mod attacks;
mod bad_input;
mod chaos;
mod cli;
mod counted;
mod descriptors;
mod endure;
mod env;
mod followers;
mod harnesses;
mod http;
mod labels;
mod on_demand;
mod openai;
mod openclaw;
mod restart;
mod retention;
mod shells;
mod store_audit;
mod store_damage;
mod store_fsync;
mod store_stress;
mod terminal;
mod thousand;
