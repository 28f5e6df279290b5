//! Presets of the known networks: chain id and public endpoints.
//!
//! Last looked at: August 2026 (reference: networks). Public endpoints come and go; what is out of date is replaced
//! here and nowhere else. This file must not know how endpoints are used.

/// A known network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// `mainnet`, `sandbox` or `devnet`.
    pub name: &'static str,
    /// What its nodes call the chain.
    pub chain_id: &'static str,
    /// Addresses, in the order in which they are tried while all are healthy.
    pub endpoints: &'static [&'static str],
    /// Where a test network gives AKT away.
    pub faucet: Option<&'static str>,
}

/// The main network, the public test network, and `akash-devnet` on this machine with its default ports.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "mainnet",
        chain_id: "akashnet-2",
        endpoints: &[
            "grpcs://akash-grpc.publicnode.com:443",
            "grpcs://akash-mainnet-grpc.autostake.com:443",
            "grpc://akash-grpc.polkachu.com:12890",
            "https://rpc.akt.dev/rest",
            "https://api.akashnet.net:443",
            "https://akash-rest.publicnode.com",
            "https://akash-api.polkachu.com",
            "https://rest-akash.ecostake.com",
            "https://rpc.akt.dev/rpc",
            "https://rpc.akashnet.net:443",
            "https://akash-rpc.publicnode.com:443",
            "https://akash-rpc.polkachu.com",
            "https://rpc-akash.ecostake.com:443",
        ],
        faucet: None,
    },
    Preset {
        name: "sandbox",
        chain_id: "sandbox-2",
        endpoints: &["https://api.sandbox-2.aksh.pw:443", "https://rpc.sandbox-2.aksh.pw:443"],
        faucet: Some("http://faucet.sandbox-2.aksh.pw/"),
    },
    Preset {
        name: "devnet",
        chain_id: "devnet-1",
        endpoints: &["grpc://127.0.0.1:19090", "http://127.0.0.1:11317", "http://127.0.0.1:36657"],
        faucet: None,
    },
];

/// The preset of that name; `testnet` is an older name of `sandbox`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    let name = if name == "testnet" { "sandbox" } else { name };
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Where the chain of this id gives AKT away, if it does.
pub(crate) fn faucet(chain_id: &str) -> Option<&'static str> {
    PRESETS.iter().find(|preset| preset.chain_id == chain_id)?.faucet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

    #[test]
    fn every_endpoint_parses_and_every_name_is_found() {
        for preset in PRESETS {
            for endpoint in preset.endpoints {
                endpoint.parse::<Endpoint>().unwrap();
            }
            assert_eq!(super::preset(preset.name), Some(preset));
        }
        assert_eq!(preset("testnet").map(|preset| preset.chain_id), Some("sandbox-2"));
        assert_eq!(preset("main"), None);
    }
}
