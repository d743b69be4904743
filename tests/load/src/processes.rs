//! What processes have spent and hold, and on which processors they run.

use std::{collections::BTreeSet, fs, io, process::Command, thread, time::Duration};

use rustix::{
    param::clock_ticks_per_second,
    thread::{CpuSet, sched_setaffinity},
};

/// The processors of the machine: the last one for what is measured, the others for who measures.
#[derive(Clone, Copy, Debug)]
pub struct Cpus {
    /// That of service and store.
    pub measured: usize,
}

impl Cpus {
    /// Shares them out, and keeps this process and what it starts to those of the generator.
    ///
    /// # Errors
    /// When there is one alone, or the system does not permit it.
    pub fn share_out() -> io::Result<Self> {
        let count = thread::available_parallelism()?.get();
        if count < 2 {
            return Err(io::Error::other(
                "the generator needs a processor of its own, and there is one alone",
            ));
        }
        let measured = count - 1;
        let mut others = CpuSet::new();
        (0..measured).for_each(|cpu| others.set(cpu));
        sched_setaffinity(None, &others)?;
        Ok(Self { measured })
    }

    /// What is put before a command, so that it runs on the measured one.
    #[must_use]
    pub fn prefix(self) -> [String; 3] {
        ["taskset".into(), "-c".into(), self.measured.to_string()]
    }

    /// Moves a process and its children to the measured one, and what they will start.
    ///
    /// # Panics
    /// When the system does not permit it.
    pub fn hold(self, pid: u32) {
        for pid in family(pid) {
            let moved = Command::new("taskset")
                .args(["-a", "-p", "-c"])
                .args([self.measured.to_string(), pid.to_string()])
                .output();
            assert!(moved.is_ok_and(|moved| moved.status.success()), "taskset");
        }
    }
}

/// CPU seconds of processes with their children, those that ended included.
#[derive(Clone, Copy, Debug)]
pub struct Spent(f64);

impl Spent {
    /// So far, of these.
    ///
    /// # Panics
    /// When one of them is gone.
    #[must_use]
    pub fn by(pids: &[u32]) -> Self {
        let ticks = clock_ticks_per_second() as f64;
        let one = |pid: &u32| -> u64 {
            family(*pid)
                .into_iter()
                .filter_map(|of| {
                    let times = times(of)?;
                    // What children have spent that ended is in their parent's account.
                    Some(times.iter().sum::<u64>())
                })
                .sum()
        };
        Self(pids.iter().map(one).sum::<u64>() as f64 / ticks)
    }

    /// Seconds since then.
    #[must_use]
    pub fn since(self, before: Self) -> f64 {
        self.0 - before.0
    }
}

/// User and system time of a process and of its children that ended, in ticks (proc(5)).
fn times(pid: u32) -> Option<[u64; 4]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have blanks and parentheses in it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some([number(11)?, number(12)?, number(13)?, number(14)?])
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    fields.nth(1)?.parse().ok()
}

/// A process and all that it has started.
pub(crate) fn family(pid: u32) -> BTreeSet<u32> {
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut family = BTreeSet::from([pid]);
    loop {
        let before = family.len();
        for (child, parent) in &all {
            if family.contains(parent) {
                family.insert(*child);
            }
        }
        if family.len() == before {
            return family;
        }
    }
}

/// Bytes that a process and its children hold, what they share counted once (`Pss` of proc(5)).
#[must_use]
pub fn memory_of(pid: u32) -> u64 {
    let one = |pid| -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    family(pid).into_iter().filter_map(one).sum::<u64>() * 1024
}

/// Has a process stand still for so long.
pub(crate) fn stand_still(pid: u32, lasting: Duration) {
    let signal = |signal: &str| {
        let sent = Command::new("kill")
            .args([signal, &pid.to_string()])
            .status();
        assert!(sent.is_ok_and(|sent| sent.success()), "kill {signal}");
    };
    signal("-STOP");
    thread::sleep(lasting);
    signal("-CONT");
}

/// How many files and sockets a process has open.
#[must_use]
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_spends_and_holds_is_seen() {
        let pid = std::process::id();
        let before = Spent::by(&[pid]);
        let start = std::time::Instant::now();
        let mut memory = Vec::new();
        while Spent::by(&[pid]).since(before) < 0.05 {
            memory.push([1_u8; 1 << 16]);
            assert!(start.elapsed().as_secs() < 60, "no time goes by");
        }
        assert!(memory_of(pid) > memory.len() as u64 * (1 << 16) / 2);
        let files = descriptors(pid);
        let file = fs::File::open("/proc/self/stat");
        assert!(descriptors(pid) > files);
        drop(file);
    }
}
