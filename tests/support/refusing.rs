//! Simulates kernels that refuse system calls, with seccomp filters on one thread.
#![allow(dead_code)]

use std::ops::RangeInclusive;
use std::thread;

use libc::{EINVAL, ENOSYS, EPERM, MADV_POPULATE_WRITE};

/// A system call of this thread that fails with `errno` if its arguments (position, low word) match.
pub struct Refuse(
    pub libc::c_long,
    pub &'static [(u32, RangeInclusive<i32>)],
    pub i32,
);

pub const NO_POPULATE: Refuse = Refuse(
    libc::SYS_madvise,
    &[(2, MADV_POPULATE_WRITE..=MADV_POPULATE_WRITE)],
    EINVAL,
);

/// The reasons for which `MADV_POPULATE_WRITE` fails: an old kernel, or the filter of a sandbox.
pub const NO_SUCH_CALL: [i32; 3] = [EINVAL, ENOSYS, EPERM];

/// A kernel or a sandbox that refuses `MADV_POPULATE_WRITE`.
pub fn no_populate(errno: i32) -> Refuse {
    Refuse(NO_POPULATE.0, NO_POPULATE.1, errno)
}

/// Runs `body` on a thread whose kernel refuses the calls in `rules`.
pub fn refusing<T: Send>(rules: &[Refuse], body: impl FnOnce() -> T + Send) -> Option<T> {
    let line = |code: u32, jt: usize, jf: usize, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: u8::try_from(jt).unwrap(),
        jf: u8::try_from(jf).unwrap(),
        k,
    };
    let load = |at| line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let if_not = |test, k, skip| line(libc::BPF_JMP | test | libc::BPF_K, 0, skip, k);
    let if_more = |k, skip| line(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, skip, 0, k);
    let ret = |k| line(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let low_word = if cfg!(target_endian = "big") { 4 } else { 0 };
    let mut program = Vec::new();
    for Refuse(call, args, errno) in rules {
        // struct seccomp_data: the call's number at 0, its arguments from 16.
        let call = u32::try_from(*call).unwrap();
        let mut left = 3 * args.len() + 1;
        program.extend([load(0), if_not(libc::BPF_JEQ, call, left)]);
        for (position, values) in *args {
            let (least, most) = (*values.start() as u32, *values.end() as u32);
            left -= 3;
            program.push(load(16 + 8 * position + low_word));
            program.push(if_not(libc::BPF_JGE, least, left + 1));
            program.push(if_more(most, left));
        }
        program.push(ret(libc::SECCOMP_RET_ERRNO | *errno as u32));
    }
    program.push(ret(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    let filter_address = &raw const filter as usize;
    let result = thread::scope(|scope| {
        let run = move || {
            // SAFETY: the program outlives the call; both calls concern this thread alone.
            let refused = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                    || libc::prctl(
                        libc::PR_SET_SECCOMP,
                        libc::SECCOMP_MODE_FILTER,
                        filter_address,
                    ) != 0
            };
            (!refused).then(body)
        };
        scope.spawn(run).join().unwrap()
    });
    if result.is_none() {
        println!("SKIPPED seccomp: this kernel takes no filter");
    }
    result
}
