//! What the AF_XDP example promises.
//!
//! | file | promises about |
//! |---|---|
//! | `answers` | requests turned into answers; needs nothing |
//! | `queues` | one queue of a device: opened, closed, and driven step by step; needs root |
//! | `runs` | the built program with the kernel as its peer; needs root |
//! | `command_line` | options, and a user without privileges |
//! | `run` | running the program, reading its report |
//!
//! Where a privilege, a program or a part of the kernel is missing, tests that need it print `NOT RUN` and pass.
//! With `FRAMEPOOL_AF_XDP=required` in the environment they fail.

#[path = "../../src/answer.rs"]
mod answer;
#[path = "../../src/bpf.rs"]
mod bpf;
#[path = "../../src/device.rs"]
mod device;
#[path = "../../src/error.rs"]
#[expect(dead_code, reason = "the tests read no command line")]
mod error;
#[path = "../../src/network.rs"]
mod network;
#[path = "../../src/rings.rs"]
mod rings;
#[path = "../../src/socket.rs"]
mod socket;

mod answers;
mod command_line;
mod queues;
mod run;
mod runs;
