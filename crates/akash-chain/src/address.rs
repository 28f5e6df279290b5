//! Account addresses: bech32 with the prefix `akash` over 20 bytes (RIPEMD-160 of SHA-256 of the public key).
//!
//! This file must not know where addresses come from or what they are used for.

use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

/// The human-readable part of every account address of the network.
const PREFIX: &str = "akash";

/// The address of a compressed secp256k1 public key (33 bytes).
pub(crate) fn of_public_key(key: &[u8; 33]) -> String {
    let hash = Ripemd160::digest(Sha256::digest(key));
    // `akash` is a valid prefix and 20 bytes are within bech32's length, so neither step can fail.
    Hrp::parse(PREFIX)
        .ok()
        .and_then(|prefix| bech32::encode::<Bech32>(prefix, hash.as_slice()).ok())
        .unwrap_or_default()
}

/// Whether `text` is an account address of the network: bech32 (not bech32m) with the prefix `akash` over 20 bytes,
/// or 32 bytes as the addresses of modules and contracts have.
pub fn is_address(text: &str) -> bool {
    CheckedHrpstring::new::<Bech32>(text).is_ok_and(|parsed| {
        let length = parsed.byte_iter().count();
        parsed.hrp().as_str() == PREFIX && (length == 20 || length == 32)
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
    }
}
