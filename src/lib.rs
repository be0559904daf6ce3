//! ostler keeps OAuth tokens fresh for the programs of one user.

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod face;
pub mod lifecycle;
pub mod model;
pub mod oauth;
pub mod provider;
pub mod store;
pub mod sys;
