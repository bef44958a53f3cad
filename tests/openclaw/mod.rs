//! On a real OpenClaw gateway: pinned, isolated, offline. Only its language model is scripted.
//!
//! A gateway takes 12 seconds and 1 GB, and every test is a process of its own: tests that need one are named
//! `heavy_…`, and do several checks on the same one.

#![allow(dead_code, reason = "each face's tests use their part of the lab")]

mod acp;
mod away;
mod bridge;
mod chat;
mod child;
pub mod client;
mod controls;
pub mod lab;
pub mod model;
mod provider;
pub mod scripted;
mod selftest;
mod setup;
mod whole;
