//! What reads found in the views, kept in memory for as long as it holds.
//!
//! The views are a function of the log up to where they stand, so what was read there holds until they move: all of it, or
//! all but what the moved jobs touch. From before a move is committed until after it nothing is answered from here and
//! nothing kept, so whoever is answered from memory sees no less than anybody who read the file before.

use std::hash::Hash;

use parking_lot::{Mutex, MutexGuard};

use super::Cache;
use crate::job::Position;
use crate::memory::Budget;

/// Values by name, of one position of the views.
#[derive(Debug)]
pub struct Kept<K: Hash + Eq, V>(Mutex<State<K, V>>);

#[derive(Debug)]
struct State<K: Hash + Eq, V> {
    /// Where the views stand; `None` while they move, or are not there.
    stand: Option<Position>,
    values: Cache<K, V>,
}

impl<K: Hash + Eq + Clone, V: Clone> Kept<K, V> {
    /// An empty cache that holds at most about the bytes of its budget.
    pub fn new(budget: Budget) -> Kept<K, V> {
        Kept(Mutex::new(State { stand: None, values: Cache::new(budget) }))
    }

    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        self.0.lock()
    }

    /// The views are about to move: `drop` takes out what will not hold after it.
    pub fn moving(&self, drop: impl FnOnce(&mut Cache<K, V>)) {
        let mut state = self.state();
        state.stand = None;
        drop(&mut state.values);
    }

    /// The views stand at `position`, and everybody who reads the file sees that.
    pub fn stands(&self, position: Position) {
        self.state().stand = Some(position);
    }

    /// The value of `name`, and the position that it is of, which is `wanted` or later.
    pub fn get(&self, name: &K, wanted: Position) -> Option<(V, Position)> {
        let mut state = self.state();
        let position = state.stand.filter(|stand| *stand >= wanted)?;
        state.values.get(name).map(|value| (value.clone(), position))
    }

    /// Keeps what the file gave at `position`, unless the views have moved since.
    pub fn keep(&self, name: &K, value: &V, weight: usize, position: Position) {
        let mut state = self.state();
        if state.stand == Some(position) {
            state.values.insert(name.clone(), value.clone(), weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENESIS: Position = Position::GENESIS;

    /// Views at position 5, and what was read of `a` and `b` there.
    fn kept() -> Kept<&'static str, u8> {
        let kept = Kept::new(Budget::new(1000));
        kept.stands(Position::new(5));
        kept.keep(&"a", &1, 1, Position::new(5));
        kept.keep(&"b", &2, 1, Position::new(5));
        kept
    }

    #[test]
    fn what_was_not_touched_holds_when_the_views_have_moved() {
        let kept = kept();
        assert_eq!(kept.get(&"a", Position::new(5)), Some((1, Position::new(5))));
        assert_eq!(kept.get(&"a", Position::new(6)), None, "not yet");
        kept.moving(|values| assert_eq!(values.take(&"a"), Some(1)));
        assert_eq!(kept.get(&"b", GENESIS), None, "somebody may have read what is being committed");
        kept.stands(Position::new(7));
        assert_eq!(kept.get(&"b", Position::new(7)), Some((2, Position::new(7))));
        assert_eq!(kept.get(&"a", GENESIS), None);
    }

    #[test]
    fn what_was_read_before_a_move_is_not_kept_after_it() {
        let kept = kept();
        kept.moving(|values| assert_eq!(values.take(&"a"), Some(1)));
        kept.keep(&"a", &1, 1, Position::new(5));
        kept.stands(Position::new(6));
        kept.keep(&"a", &1, 1, Position::new(5));
        assert_eq!(kept.get(&"a", GENESIS), None);
        kept.keep(&"a", &3, 1, Position::new(6));
        assert_eq!(kept.get(&"a", GENESIS), Some((3, Position::new(6))));
    }

    #[test]
    fn the_longest_unused_goes_when_there_is_no_room() {
        let kept = kept();
        kept.get(&"a", GENESIS);
        kept.keep(&"c", &3, 999, Position::new(5));
        assert_eq!([&"a", &"b", &"c"].map(|name| kept.get(name, GENESIS).is_some()), [true, false, true]);
    }
}
