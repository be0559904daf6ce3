//! The engine as it is, on the store as it is, with clocks that a test moves and a model of a provider.

mod accounts;
mod beginning;
mod comings;
mod crowd;
mod custody;
mod devices;
mod disk;
mod files;
mod histories;
mod hour;
mod leaving;
mod misuse;
mod overdue;
mod provider;
mod robots;
mod sky;
mod steps;
mod tokens;
mod world;
