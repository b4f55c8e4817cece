//! Splitting work between threads.

use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Calls `f` with each number below `count`, on all threads if there is more than one.
pub(crate) fn for_each(count: usize, f: impl Fn(usize) + Send + Sync) {
    match count {
        0 => {}
        1 => f(0),
        _ => (0..count).into_par_iter().with_max_len(1).for_each(f),
    }
}
