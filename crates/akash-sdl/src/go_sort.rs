//! The order that the network's sorting leaves equal elements in.
//!
//! This file must not know what is sorted.

/// Sorts by `less` as Go's `sort.Sort` does for up to 12 elements: a stable insertion sort. Longer lists are sorted
/// stably too; there Go may leave *equal* elements in another order, which no rule of the network depends on (a
/// provider asks only that the list is sorted, and the hash is of the list that was sent).
pub(crate) fn sort<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    items.sort_by(|a, b| {
        if less(a, b) {
            std::cmp::Ordering::Less
        } else if less(b, a) {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    });
}
