//! Memory layout: which storages share memory, by the time between their first and last use.

use crate::compile::{Step, StorageKind};
use crate::memory::{LINE, StorageId};

/// Where the storages of the arena lie, in elements.
pub(crate) struct Layout {
    /// By storage; `None` for what is not in the arena.
    pub(crate) offsets: Vec<Option<usize>>,
    /// Elements of the arena.
    pub(crate) total: usize,
}

/// Free ranges of the arena, sorted, never adjacent.
#[derive(Default)]
struct Free {
    ranges: Vec<(usize, usize)>,
    end: usize,
}

impl Free {
    /// The smallest range that fits, else the end of the arena.
    fn take(&mut self, len: usize) -> usize {
        let best =
            (0..self.ranges.len()).filter(|i| self.ranges[*i].1 >= len).min_by_key(|i| self.ranges[*i].1);
        match best {
            Some(i) => {
                let (at, size) = self.ranges[i];
                if size == len {
                    self.ranges.remove(i);
                } else {
                    self.ranges[i] = (at + len, size - len);
                }
                at
            }
            None => {
                // A free range at the end is grown instead of left over.
                let at = match self.ranges.last() {
                    Some((at, size)) if at + size == self.end => {
                        self.ranges.pop().map_or(self.end, |(at, _)| at)
                    }
                    _ => self.end,
                };
                self.end = at + len;
                at
            }
        }
    }

    fn give(&mut self, at: usize, len: usize) {
        let place = self.ranges.partition_point(|r| r.0 < at);
        self.ranges.insert(place, (at, len));
        if place + 1 < self.ranges.len()
            && self.ranges[place].0 + self.ranges[place].1 == self.ranges[place + 1].0
        {
            self.ranges[place].1 += self.ranges.remove(place + 1).1;
        }
        if place > 0 && self.ranges[place - 1].0 + self.ranges[place - 1].1 == self.ranges[place].0 {
            self.ranges[place - 1].1 += self.ranges.remove(place).1;
        }
    }
}

/// Plans the arena. `kept` are read after the last step.
pub(crate) fn layout(storages: &[StorageKind], steps: &[Step], kept: &[StorageId]) -> Layout {
    let mut last_use = vec![0usize; storages.len()];
    for (at, step) in steps.iter().enumerate() {
        step.reads.iter().chain(&step.writes).for_each(|s| last_use[s.0] = at);
    }
    kept.iter().for_each(|s| last_use[s.0] = usize::MAX);
    let size = |s: StorageId| match &storages[s.0] {
        StorageKind::Arena(len) => Some(len.next_multiple_of(LINE).max(LINE)),
        StorageKind::Constant(_) | StorageKind::Input(_) | StorageKind::Output(_) => None,
    };
    let mut offsets: Vec<Option<usize>> = vec![None; storages.len()];
    let mut free = Free::default();
    // Storages whose memory a later one took over: not given back.
    let mut taken = vec![false; storages.len()];
    for (at, step) in steps.iter().enumerate() {
        for output in &step.writes {
            let Some(len) = size(*output) else { continue };
            if offsets[output.0].is_some() {
                continue;
            }
            let heir = step.overwrites.iter().find(|s| {
                last_use[s.0] == at && !taken[s.0] && size(**s) == Some(len) && offsets[s.0].is_some()
            });
            offsets[output.0] = match heir {
                Some(heir) => {
                    taken[heir.0] = true;
                    offsets[heir.0]
                }
                None => Some(free.take(len)),
            };
        }
        let mut dead: Vec<StorageId> = step.reads.iter().chain(&step.writes).copied().collect();
        dead.sort_unstable();
        dead.dedup();
        for storage in dead {
            if last_use[storage.0] == at
                && !taken[storage.0]
                && let (Some(offset), Some(len)) = (offsets[storage.0], size(storage))
            {
                free.give(offset, len);
            }
        }
    }
    Layout { offsets, total: free.end }
}
