//! The page faults of a thread.

use std::fs;

/// Page faults of this thread so far, minor and major: fields 10 and 12 of proc_pid_stat(5). The first call of a thread
/// may cause some itself.
pub fn of_this_thread() -> Result<u64, String> {
    let stat = fs::read_to_string("/proc/thread-self/stat");
    let stat = stat.map_err(|e| format!("/proc/thread-self/stat: {e}"))?;
    // The name, field 2, may contain spaces; it ends with the last parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let field = |number: usize| {
        fields
            .split_whitespace()
            .nth(number - 3)?
            .parse::<u64>()
            .ok()
    };
    match (field(10), field(12)) {
        (Some(minor), Some(major)) => Ok(minor + major),
        _ => Err(format!("/proc/thread-self/stat: {stat:?}")),
    }
}
