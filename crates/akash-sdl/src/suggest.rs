//! The name that was probably meant.

/// The candidate that `name` is most probably a slip of.
pub(crate) fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let most = (name.len() / 3).clamp(1, 3);
    let distance = |candidate: &str| strsim::osa_distance(&name.to_lowercase(), &candidate.to_lowercase());
    // A very long name is no slip of a short one; comparing costs the product of the lengths.
    let near = candidates
        .iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most && name.len() < 100);
    near.map(|candidate| (distance(candidate), *candidate)).filter(|(d, _)| *d <= most).min().map(|(_, c)| c)
}
