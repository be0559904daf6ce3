//! The engine as it is, on the store as it is, with clocks that a test moves and a model of a provider.

mod comings;
mod crowd;
mod histories;
mod leaving;
mod overdue;
mod provider;
mod sky;
mod steps;
mod world;
