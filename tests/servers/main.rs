//! The real daemon and the real command line against authorization servers of two more kinds, neither
//! written by us nor by each other: glewlwyd, in C, and django-oauth-toolkit, in Python.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod django;
mod glewlwyd;
mod proxy;
mod scene;
mod server;
#[path = "../support/mod.rs"]
mod support;
