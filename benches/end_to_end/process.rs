//! What the system says of a process: CPU time of its tree, and memory.

use std::collections::HashMap;
use std::fs;

use crate::Outcome;

/// Linux tells CPU time in hundredths of a second to every program.
const TICKS_PER_SECOND: f64 = 100.0;
/// Writing this to `clear_refs` forgets the highest memory use.
const FORGET_PEAK: &str = "5";

/// CPU ticks of a process, all its descendants, and those of them that have ended.
pub(crate) fn cpu_ticks(root: u32) -> u64 {
    let mut parents = HashMap::new();
    let mut ticks = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(text) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The program's name, in parentheses, may hold anything.
        let Some((_, fields)) = text.rsplit_once(')') else {
            continue;
        };
        let fields: Vec<u64> = fields
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        // utime, stime, cutime and cstime are fields 14 to 17; after the name the first is field 3.
        parents.insert(pid, fields.get(1).copied().unwrap_or(0));
        ticks.insert(pid, fields.get(11..15).map_or(0, |times| times.iter().sum::<u64>()));
    }
    let belongs = |mut pid: u32| {
        for _ in 0..64 {
            if pid == root {
                return true;
            }
            match parents.get(&pid).and_then(|parent| u32::try_from(*parent).ok()) {
                Some(parent) if parent > 1 => pid = parent,
                _ => return false,
            }
        }
        false
    };
    ticks
        .iter()
        .filter(|(pid, _)| belongs(**pid))
        .map(|(_, ticks)| ticks)
        .sum()
}

/// CPU seconds, as [`cpu_ticks`].
pub(crate) fn cpu_seconds(root: u32) -> f64 {
    cpu_ticks(root) as f64 / TICKS_PER_SECOND
}

fn status(pid: u32, name: &str) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no such line")?;
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}

/// Resident memory now, in MiB.
pub(crate) fn resident(pid: u32) -> Outcome<f64> {
    status(pid, "VmRSS")
}

/// The highest resident memory since [`forget_peak`], in MiB.
pub(crate) fn peak(pid: u32) -> Outcome<f64> {
    status(pid, "VmHWM")
}

/// Starts to look for the highest memory use anew.
pub(crate) fn forget_peak(pid: u32) -> Outcome<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), FORGET_PEAK).map_err(|error| format!("clear_refs: {error}").into())
}
