//! Checks framepool's promises about placement and code in a linked image.
//!
//! | module | what |
//! |---|---|
//! | [`firmware`] | builds an image for a target |
//! | [`image`] | its sections and symbols |
//! | [`code`] | the instructions of a function, the functions it reaches, its shortest path |
//! | [`thumb`], [`x86`] | one instruction: its length and its successor |
//! | [`checks`] | the checks of an image |
//! | [`masked`] | the instructions that run with interrupts off, counted in QEMU |
//! | [`callgrind`] | the instructions that the hosted build executes |
//! | [`calls`] | the instructions of single calls of heaps |
//! | [`cortex_calls`] | the same on a Cortex-M3 in QEMU |
//! | [`sizes`] | the sizes of firmware with different heaps |
//! | [`qemu`] | that board |

pub mod callgrind;
pub mod calls;
pub mod cargo;
pub mod checks;
pub mod code;
pub mod cortex_calls;
pub mod firmware;
pub mod image;
pub mod masked;
pub mod qemu;
pub mod sizes;
pub mod thumb;
pub mod x86;

/// The errors that a check found, as sentences.
pub type Findings = Vec<String>;
