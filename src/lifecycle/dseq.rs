//! How a deployment gets its `dseq`. The client chooses it; the chain only asks that the owner never used it before,
//! closed deployments included (deployment code 3). 53 bits, so that every JSON reader keeps it exact.
//!
//! Nothing here asks the chain which numbers are taken.

use rand::RngExt;
use sha2::{Digest, Sha256};

/// The bits a dseq has: what a double holds exactly.
const BITS: u32 = 53;

/// A random dseq, for a deployment without a name. Never 0, which the chain refuses.
pub(crate) fn random() -> u64 {
    rand::rng().random_range(1..1 << BITS)
}

/// The dseq of the deployment `name` of `owner` in its `generation`, counted from 0: a closed one's number can't be
/// used again, so the next takes the next generation. Whoever applies gets the same numbers, and so the chain itself
/// allows one active deployment of a name.
pub(crate) fn named(owner: &str, name: &str, generation: u32) -> u64 {
    let mut hash = Sha256::new();
    for part in [owner, name, &generation.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let first = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (first >> (u64::BITS - BITS)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_is_stable_and_distinct() {
        let first = named("akash1owner", "web", 0);
        assert_eq!(first, named("akash1owner", "web", 0));
        assert!(first > 0 && first < 1 << 53);
        for other in
            [named("akash1owner", "web", 1), named("akash1owner", "we", 0), named("akash1ownerw", "eb", 0)]
        {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn random_fits() {
        assert!((0..1000).all(|_| (1..1 << 53).contains(&random())));
    }
}
