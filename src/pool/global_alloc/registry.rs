//! Values that are made once, claimed by one thread after the other, and never freed: the fronts of threads.

use core::ptr::{self, NonNull};

use crate::sync::{self, AtomicPtr, AtomicU32, Ordering::*, loom_const};

/// A list that only grows, so that it can be read at any time.
///
/// Invariant: `first` and every `next` is null or points at an entry that is alive for ever.
pub(crate) struct Registry<T> {
    first: AtomicPtr<Entry<T>>,
}

/// A value that one thread at a time claims. The value comes first: its address is that of the entry.
///
/// Invariant: `next` does not change once the entry is in a list. Of the threads that see `claimed` at 0, one makes it
/// 1; that thread alone makes it 0 again.
#[repr(C)]
pub(crate) struct Entry<T> {
    pub(crate) value: T,
    next: *mut Entry<T>,
    claimed: AtomicU32,
}

// SAFETY: references to values go to all threads, through entries that live for ever.
unsafe impl<T: Sync> Sync for Registry<T> {}
// SAFETY: as above; a registry owns no value that it could drop elsewhere.
unsafe impl<T: Sync> Send for Registry<T> {}

impl<T> Entry<T> {
    /// Makes an entry that its maker has claimed, except for its value.
    ///
    /// # Safety
    /// The caller may write an entry there.
    pub(crate) unsafe fn begin(at: NonNull<Self>) {
        // SAFETY: the caller's promise.
        unsafe {
            (&raw mut (*at.as_ptr()).next).write(ptr::null_mut());
            (&raw mut (*at.as_ptr()).claimed).write(AtomicU32::new(1));
        }
    }

    /// Claims the entry, if no thread has it.
    fn claim(&self) -> bool {
        // Acquire: pairs with the release in `release`, so that this thread sees what the last one did.
        self.claimed.load(Relaxed) == 0
            && sync::section(|s| self.claimed.compare_exchange(s, 0, 1, Acquire, Relaxed)).is_ok()
    }

    /// Gives the entry up. The caller has claimed it, and does not use it any more.
    pub(crate) fn release(&self) {
        // Release: pairs with the acquire in `claim`.
        self.claimed.store(0, Release);
    }
}

impl<T> Registry<T> {
    loom_const! {
        pub(crate) fn new() -> Self {
            Self {
                first: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// Every entry, claimed or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Entry<T>>
    where
        T: 'static,
    {
        // Acquire: pairs with the release in `add`, so that the entries are seen as they were added.
        let mut at = self.first.load(Acquire);
        core::iter::from_fn(move || {
            // SAFETY: by the invariant, null or alive for ever.
            let entry = unsafe { at.as_ref() }?;
            at = entry.next;
            Some(entry)
        })
    }

    /// Claims an entry that no thread has. O(number of entries). May miss one that is released at this moment.
    pub(crate) fn claim(&self) -> Option<&'static Entry<T>>
    where
        T: 'static,
    {
        self.iter().find(|entry| entry.claim())
    }

    /// Adds an entry.
    ///
    /// # Safety
    /// It is in no list, nothing else refers to it, and it is alive for ever.
    pub(crate) unsafe fn add(&self, entry: NonNull<Entry<T>>) {
        let mut first = self.first.load(Relaxed);
        loop {
            // SAFETY: the caller's promise: not shared yet.
            unsafe { (*entry.as_ptr()).next = first };
            // Release: pairs with the acquire in `iter`. Entries after it were released by their own addition, and
            // these changes of one word are one release sequence.
            match (self.first).compare_exchange_weak(first, entry.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }
}

/// A registry of `T`, for models under loom: values are claimed, or made and added.
#[cfg(loom)]
pub struct Claims<T: 'static>(Registry<T>);

#[cfg(loom)]
impl<T: Sync> Claims<T> {
    #[allow(missing_docs, clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Registry::new())
    }

    /// Runs `f` on a claimed value, which is made if there is none.
    pub fn with<R>(&self, make: impl FnOnce() -> T, f: impl FnOnce(&T) -> R) -> R {
        let entry = self.0.claim().unwrap_or_else(|| {
            let entry = std::boxed::Box::leak(std::boxed::Box::<Entry<T>>::new_uninit());
            let entry = NonNull::from(entry).cast::<Entry<T>>();
            // SAFETY: a new entry, made completely, and alive for ever.
            unsafe {
                Entry::begin(entry);
                (&raw mut (*entry.as_ptr()).value).write(make());
                self.0.add(entry);
                entry.as_ref()
            }
        });
        let result = f(&entry.value);
        entry.release();
        result
    }

    /// Runs `f` on every value.
    pub fn for_each(&self, f: impl Fn(&T)) {
        self.0.iter().for_each(|entry| f(&entry.value));
    }
}

#[cfg(loom)]
impl<T> core::fmt::Debug for Claims<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Claims")
    }
}
