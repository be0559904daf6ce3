//! The page that ends a sign-in, in a real browser: Chromium without a screen, which follows the
//! provider's redirects itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod chromium;
mod look;
mod pages;
mod scene;
#[path = "../support/mod.rs"]
mod support;
