//! What the AF_XDP example promises.
//!
//! | file | promises about |
//! |---|---|
//! | `answers` | requests turned into answers; needs nothing |
//! | `queues` | one queue of a device: opened, closed, and driven step by step; needs root |
//! | `reports` | what others reported of their drivers, with a `kernel` that the test plays; needs nothing |
//! | `runs` | the built program with the kernel as its peer; needs root |
//! | `command_line` | options, and a user without privileges |
//! | `run` | running the program, reading its report |
//!
//! Where a privilege, a program or a part of the kernel is missing, tests that need it print `NOT RUN` and pass.
//! With `FRAMEPOOL_AF_XDP=required` in the environment they fail.
//!
//! Situations from reports about other drivers, and their tests:
//!
//! | report | test |
//! |---|---|
//! | agave#6836: a socket that only sends | `queues::a_socket_that_only_sends_accounts_for_all_frames` |
//! | CNDP#236: rings of 2, descriptors of length 0 | `reports::a_descriptor_of_no_bytes_is_counted_and_its_block_used_again` |
//! | firedancer#792, #272, quilkin#1114: a full TX ring, wake-ups | `reports::a_full_ring_still_calls_the_kernel`, `queues::waiting_for_frames_does_not_end_because_frames_could_be_sent` |
//! | ebpf-docs#292: lengths of mappings | `reports::mappings_have_8_bytes_a_chunk_and_16_a_descriptor`; addresses of unaligned mode: unit tests of `src/pool/umem.rs` |
//! | xdp-tutorial#263, #154: RX and TX of one UMEM | `reports::no_block_is_in_two_rings_at_once`, `reports::completions_of_blocks_that_were_not_sent_are_refused` |
//! | nff-go#301: a pool dropped with descriptors in flight | `tests/pool/leaked.rs` of the library |

#[path = "../../src/answer.rs"]
mod answer;
#[path = "../../../support/arguments.rs"]
mod arguments;
#[path = "../../src/bpf.rs"]
mod bpf;
#[path = "../../src/device.rs"]
mod device;
#[path = "../../src/driver.rs"]
#[expect(dead_code, reason = "the tests drive it step by step")]
mod driver;
#[path = "../../../support/failure.rs"]
#[expect(dead_code, reason = "the tests read no command line")]
mod error;
#[path = "../../src/lent.rs"]
mod lent;
#[path = "../../../support/namespace.rs"]
mod namespace;
#[path = "../../src/network.rs"]
mod network;
#[path = "../../src/options.rs"]
#[expect(dead_code, reason = "the tests read no command line")]
mod options;
#[path = "../../src/rings.rs"]
mod rings;
#[path = "../../src/socket.rs"]
mod socket;

mod answers;
mod command_line;
mod kernel;
mod queues;
mod reports;
mod run;
mod runs;
