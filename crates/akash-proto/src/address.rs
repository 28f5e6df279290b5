//! Account addresses: bech32 with the prefix `akash` over 20 bytes (RIPEMD-160 of SHA-256 of the public key), or over 32
//! for modules and contracts.
//!
//! This file must not know where addresses come from or what they are used for.

use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};

/// The human-readable part of every account address of the network.
const PREFIX: Hrp = Hrp::parse_unchecked("akash");

/// The address of an account by its bytes: 20, or 32 for modules and contracts.
pub fn encode(bytes: &[u8]) -> String {
    // The only error is a text that is too long, which 32 bytes are far from.
    bech32::encode::<Bech32>(PREFIX, bytes).unwrap_or_default()
}

/// Whether `text` is an account address of the network: bech32 (not bech32m) with the prefix `akash` over 20 or 32 bytes.
pub fn is_address(text: &str) -> bool {
    CheckedHrpstring::new::<Bech32>(text).is_ok_and(|parsed| {
        let length = parsed.byte_iter().count();
        parsed.hrp() == PREFIX && (length == 20 || length == 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, valid) in [
            ("akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9", true),
            ("akash17xpfvakm2amg962yls6f84z3kell8c5lazw8j8", true),
            ("akash1wsde9xgxlglvman97eny82u6grp85v8800c5y8", false),
            ("cosmos1wsde9xgxlglvman97eny82u6grp85v88dy06x4", false),
            ("akash", false),
            ("", false),
        ] {
            assert_eq!(is_address(text), valid, "{text}");
        }
        assert!(is_address(&encode(&[7; 20])));
        assert!(!is_address(&encode(&[7; 21])));
    }
}
