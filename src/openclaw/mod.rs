//! The face to OpenClaw: a plain client of Dash's own HTTP API on one side, and of OpenClaw's gateway
//! on the other. What is said here of OpenClaw was seen with its version 2026.9.6.

mod access;
pub mod bridge;
mod calls;
mod gateway;
pub mod setup;

pub use access::{Access, AccessError, Places, Secret};
pub use calls::{Message, Posted};
pub use gateway::{CallError, ConnectError, Gateway};
