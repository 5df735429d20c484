//! The page faults of a thread: getrusage(2).

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

/// Numbers of page faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageFaults {
    /// Served from memory: the page was resident, or the kernel zeroed a new one.
    pub minor: u64,
    /// Served from a disk.
    pub major: u64,
}

impl PageFaults {
    /// Returns the number of all faults.
    pub const fn total(&self) -> u64 {
        self.minor + self.major
    }

    /// Those of the calling thread since it started.
    fn of_this_thread() -> Self {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the call writes at most a `rusage`, for which all zeros is a valid value too. It fails only for
        // arguments that do not exist.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        Self {
            // Not negative.
            minor: usage.ru_minflt as u64,
            major: usage.ru_majflt as u64,
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            minor: self.minor.wrapping_sub(earlier.minor),
            major: self.major.wrapping_sub(earlier.major),
        }
    }
}

impl fmt::Display for PageFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minor, major } = self;
        write!(f, "{minor} minor and {major} major page faults")
    }
}

/// Counts the page faults of the current thread from its start to its end. It shows that a hot path has none.
///
/// It belongs to the thread that started it, so it is neither `Send` nor `Sync`. A reading is one system call,
/// getrusage(2) with `RUSAGE_THREAD` (Linux 2.6.26).
///
/// ```
/// use framepool::region::FaultCounter;
/// use framepool::{Pool, PoolConfig};
///
/// let pool = Pool::map(PoolConfig::new(2048, 64))?;
/// // The first round also brings the code into memory.
/// for round in 0..2 {
///     let faults = FaultCounter::start();
///     for _ in 0..1000 {
///         pool.alloc()?.write(b"tick")?;
///     }
///     let faults = faults.stop();
///     println!("round {round}: {faults}");
///     assert!(round == 0 || faults.major == 0);
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// Another thread would count its own faults:
/// ```compile_fail,E0277
/// let faults = framepool::region::FaultCounter::start();
/// std::thread::spawn(move || faults.so_far());
/// ```
#[derive(Debug)]
#[must_use = "it counts until it is stopped"]
pub struct FaultCounter {
    start: PageFaults,
    _this_thread: PhantomData<*const ()>,
}

impl FaultCounter {
    /// Starts to count. Three system calls: it reads once first, so that a later reading does not count the page faults of
    /// its own code.
    pub fn start() -> Self {
        core::hint::black_box(Self::now().stop());
        Self::now()
    }

    fn now() -> Self {
        Self {
            start: PageFaults::of_this_thread(),
            _this_thread: PhantomData,
        }
    }

    /// Returns the number of faults since the start. One system call.
    pub fn so_far(&self) -> PageFaults {
        PageFaults::of_this_thread().since(&self.start)
    }

    /// Ends the count and returns it. One system call.
    pub fn stop(self) -> PageFaults {
        self.so_far()
    }
}
