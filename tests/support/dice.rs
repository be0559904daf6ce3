//! Random choices that can be made again.

use std::env;

const VARIABLE: &str = "OSTLER_SEED";

/// `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// By the seed that `OSTLER_SEED` gives, else by a random one.
    ///
    /// # Panics
    ///
    /// If `OSTLER_SEED` is no number: the run that it was to repeat would be another one.
    pub(crate) fn thrown() -> Self {
        let seed = match env::var(VARIABLE) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{VARIABLE}={text} is no number")),
            Err(_) => getrandom::u64().expect("the kernel has randomness"),
        };
        Self { seed, state: seed }
    }

    /// How to have the same choices again.
    pub(crate) fn again(&self) -> String {
        format!("{VARIABLE}={}", self.seed)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // the bias is far below what a test could notice
        (mixed ^ (mixed >> 31)) % end
    }
}

/// How many rounds to go: `OSTLER_ROUNDS`, or else so many.
///
/// # Panics
///
/// If `OSTLER_ROUNDS` is no number.
pub(crate) fn rounds(unless_said: u32) -> u32 {
    env::var("OSTLER_ROUNDS").map_or(unless_said, |text| {
        text.parse().unwrap_or_else(|_| panic!("OSTLER_ROUNDS={text} is no number"))
    })
}
