//! Names that are used once each.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The name of a value; empty for an optional input or output that is absent.
pub(super) type Name = Rc<str>;

/// Gives names, each once.
#[derive(Default)]
pub(super) struct NamePool {
    taken: HashSet<Name>,
    /// The last number tried behind a name.
    last: HashMap<String, u64>,
}

impl NamePool {
    /// Takes a name; `false` if it is taken already.
    pub(super) fn reserve(&mut self, name: &Name) -> bool {
        self.taken.insert(name.clone())
    }

    /// The name itself where it is free, else with a number behind it.
    pub(super) fn fresh(&mut self, wanted: &str) -> Name {
        let base = if wanted.is_empty() { "value" } else { wanted };
        let name: Name = base.into();
        if self.reserve(&name) {
            return name;
        }
        let mut number = self.last.get(base).copied().unwrap_or(1);
        loop {
            number += 1;
            let name: Name = format!("{base}_{number}").into();
            if self.reserve(&name) {
                self.last.insert(base.to_owned(), number);
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NamePool;

    #[test]
    fn names_are_used_once() {
        let mut names = NamePool::default();
        assert!(names.reserve(&"x_2".into()));
        let given: Vec<_> = ["x", "x", "x", ""].iter().map(|n| names.fresh(n).to_string()).collect();
        assert_eq!(given, ["x", "x_3", "x_4", "value"]);
    }
}
