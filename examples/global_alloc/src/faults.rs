//! The page faults of a thread.

use std::mem::zeroed;

/// Page faults of this thread so far, minor and major: getrusage(2).
pub fn of_this_thread() -> u64 {
    // SAFETY: all zeros is a valid value, and the call writes one.
    let usage = unsafe {
        let mut usage: libc::rusage = zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    (usage.ru_minflt + usage.ru_majflt) as u64
}
