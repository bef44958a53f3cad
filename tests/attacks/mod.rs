//! Attacks on the real binary over real sockets.

mod agents;
mod descriptors;
mod files;
mod keys;
mod secrets;
mod tcp;
mod terminal;
mod users;
mod web;
mod wire;
