//! Dash runs agents. `ARCHITECTURE.md` is the map of this library: its rooms, who may import whom,
//! and what always holds. There is no promise of a stable API; the HTTP API is the public surface.

pub mod acp;
pub mod api;
pub mod cli;
pub mod client;
pub mod config;
pub mod model;
pub mod openai;
pub mod openclaw;
pub mod runtime;
pub mod server;
pub mod store;
pub mod supervisor;
