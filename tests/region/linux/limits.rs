//! Limits of a process and of a cgroup cause errors, in each way of exceeding them.

use std::fs;
use std::path::{Path, PathBuf};

use super::hugepages::HugePages;
use super::machine::*;
use super::*;
use framepool::region::Residency::Verified;
use framepool::region::Stage::Populate;
use libc::EFAULT;

#[test]
fn a_limit_on_address_space_is_an_error() {
    alone(test_name!(a_limit_on_address_space_is_an_error), || {
        let bytes = (virtual_size() + (256 << 20)) as libc::rlim_t;
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: bytes,
        };
        // SAFETY: reads the structure; the process is the test's own.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        for guards in [false, true] {
            let error = builder(1 << 30, Transparent).guards(guards).map();
            let refused = [Transparent, Base].map(no_memory);
            assert_eq!(refusals(&error.unwrap_err()), refused);
        }
        assert!(builder(8 << 20, Transparent).guards(true).map().is_ok());
    });
}

/// A cgroup for this process with a limit on pages of 2 MiB. Dropping it leaves and removes it.
struct Cgroup {
    root: PathBuf,
    home: PathBuf,
    enabled: bool,
}

impl Cgroup {
    /// Joins the cgroup, or prints why not.
    fn join(name: &str, file: &str, limit: usize) -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mounts").map_err(|e| e.to_string())?;
        let second = |line: &str| line.split(' ').nth(1).map(PathBuf::from);
        let is_v2 = |line: &&str| line.split(' ').nth(2) == Some("cgroup2");
        let root = mounts.lines().find(is_v2).and_then(second);
        let root = root.ok_or("no cgroup2 is mounted")?;
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let home = root.join(own.ok_or("this process is in no cgroup2")?);
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
        let has = |text: String| text.split_whitespace().any(|c| c == "hugetlb");
        if !has(read("cgroup.controllers")) {
            return Err("cgroup2 has no hugetlb controller".into());
        }
        let enabled = !has(read("cgroup.subtree_control"));
        if enabled {
            write(&root.join("cgroup.subtree_control"), "+hugetlb")?;
        }
        let cgroup = Self {
            root: root.join(name),
            home,
            enabled,
        };
        fs::create_dir_all(&cgroup.root).map_err(|e| format!("{}: {e}", cgroup.root.display()))?;
        write(&cgroup.root.join(file), &limit.to_string())?;
        write(
            &cgroup.root.join("cgroup.procs"),
            &std::process::id().to_string(),
        )?;
        Ok(cgroup)
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let id = std::process::id().to_string();
        let _ = write(&self.home.join("cgroup.procs"), &id);
        let _ = fs::remove_dir(&self.root);
        if let (true, Some(root)) = (self.enabled, self.root.parent()) {
            let _ = write(&root.join("cgroup.subtree_control"), "-hugetlb");
        }
    }
}

/// The mapping succeeds, because the cgroup counts a page when it becomes resident. Touching the third
/// page would be a SIGBUS.
#[test]
fn a_cgroups_limit_on_hugetlb_pages_is_an_error_and_no_signal() {
    let test = test_name!(a_cgroups_limit_on_hugetlb_pages_is_an_error_and_no_signal);
    alone(test, || {
        let Some(pages) = HugePages::exactly(4) else {
            return;
        };
        let name = format!("framepool-{}", std::process::id());
        let cgroup = match Cgroup::join(&name, "hugetlb.2MB.max", 2 * HUGE) {
            Ok(cgroup) => cgroup,
            Err(reason) => return println!("SKIPPED cgroup hugetlb.2MB.max: {reason}"),
        };
        for threads in [1, 2] {
            let builder = builder(4 * HUGE, Huge2M).prefault_threads(threads);
            let error = builder.clone().force().map().unwrap_err();
            let refused = refusals(&error);
            assert!(
                [ENOMEM, EFAULT]
                    .map(|e| [(Huge2M, Populate, e)])
                    .contains(&[refused[0]]),
                "{error}"
            );
            let region = builder.map().unwrap();
            assert_eq!(kind(region.report()), (Transparent, Verified));
            assert_eq!(facts(region.report().steps()), refused);
            assert_eq!(pages.available(), 4);
        }
        let region = forced(2 * HUGE, Huge2M).map().unwrap();
        assert_eq!(kind(region.report()), (Huge2M, Verified));
        drop((region, cgroup));
    });
}

/// The limit on reservations is exceeded by the mapping itself.
#[test]
fn a_cgroups_limit_on_reservations_is_an_error() {
    alone(
        test_name!(a_cgroups_limit_on_reservations_is_an_error),
        || {
            let Some(_pages) = HugePages::exactly(4) else {
                return;
            };
            let name = format!("framepool-rsvd-{}", std::process::id());
            let cgroup = match Cgroup::join(&name, "hugetlb.2MB.rsvd.max", 2 * HUGE) {
                Ok(cgroup) => cgroup,
                Err(reason) => return println!("SKIPPED cgroup hugetlb.2MB.rsvd.max: {reason}"),
            };
            for guards in [false, true] {
                let error = forced(4 * HUGE, Huge2M).guards(guards).map().unwrap_err();
                assert_eq!(refusals(&error), [no_memory(Huge2M)]);
                assert!(forced(2 * HUGE, Huge2M).guards(guards).map().is_ok());
            }
            drop(cgroup);
        },
    );
}
