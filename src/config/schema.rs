//! The schema of the `provider "akash"` block.

use tfplugin::{Attribute, Dynamic, Schema, Type};

use super::form;

/// The schema of the block.
pub(crate) fn schema() -> Schema {
    let string = || Attribute::string().optional();
    Schema::new(
        "Deploys to [Akash Network](https://akash.network), the decentralised cloud: deployments, bids and leases, \
         signed with your own wallet. Every argument can also come from the environment; an argument beats its \
         variable, and a variable with nothing in it counts as not set.",
    )
    .attribute("network", string().description("Preset of chain id and endpoints: `mainnet`, `sandbox` (also `testnet`) or `devnet`. Environment: `AKASH_NETWORK`. There is no default: a wallet should not be one typing error away from another chain."))
    .attribute("endpoints", Attribute::list(Type::String).optional().description("Addresses of nodes: `grpc://`, `grpcs://`, or any `http(s)://` address of a node: whether it passes gRPC-Web, RPC or REST JSON is found out once, and can be forced (`web+https://`, `rpc+https://`, `rest+https://`). Used in order of health; beats the preset's. Environment: `AKASH_ENDPOINTS`, also `AKASH_GRPC_ENDPOINT`, `AKASH_REST_ENDPOINT`, `AKASH_NODE` (comma lists); the variables count only if neither `network` nor `endpoints` is set as an argument."))
    .attribute("chain_id", string().description("Refused when the node says otherwise. Environment: `AKASH_CHAIN_ID`."))
    .attribute("mnemonic", string().sensitive().description("The wallet's BIP-39 words. Better in the environment: `AKASH_MNEMONIC`. Without a wallet everything that signs is an error; plans, data sources and validation work."))
    .attribute("mnemonic_file", string().description("A file with the words; `~/` is the home directory. A regular file of at most 4 KiB. Environment: `AKASH_MNEMONIC_FILE`."))
    .attribute("account_index", Attribute::number().optional().description("Last part of the HD path `m/44'/118'/0'/0/i`, default 0. Environment: `AKASH_ACCOUNT_INDEX`."))
    .attribute("wallet_address", string().description("Owner for read-only use; with a wallet it must be the wallet's. Environment: `AKASH_WALLET_ADDRESS`."))
    .attribute("gas_price", string().description("Price of gas, for example `0.025uakt`, the default; never below what the node asks. Environment: `AKASH_GAS_PRICE`."))
    .attribute("gas_adjustment", Attribute::number().optional().description("What simulated gas is multiplied by, from 1 to 10; by default by kind of message. Environment: `AKASH_GAS_ADJUSTMENT`."))
    .attribute("max_fee", string().description("The most that one transaction's fee may be, for example `50000uakt`. Environment: `AKASH_MAX_FEE`."))
    .attribute("fee_granter", string().description("Account that pays the fees by a fee grant."))
    .attribute("deposit_sources", Attribute::list(Type::String).optional().description("Where deposits come from, in order: `balance`, `grant`. Default `[\"balance\"]`."))
    .attribute("transaction_timeout", string().validate(transaction_timeout).description("How long a transaction may take to come into a block, in block time: after it, the transaction is dead for certain. Default `60s`; at most `10m`, the chain's limit. Environment: `AKASH_TRANSACTION_TIMEOUT`."))
    .attribute("journal_directory", string().description("Directory of the journal: what is about to be sent is written there first, so that a deployment or lease whose creation is cut off is taken over by the next apply instead of being lost with its escrow. Default: `terraform-provider-akash/journal` in the user's state directory (`~/.local/state` on Linux). `~/` is the home directory. Keep it between runs, also in CI. `\"\"` turns the journal off, with a warning. Environment: `AKASH_JOURNAL_DIR`."))
}

fn transaction_timeout(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) if form::transaction_timeout(text).is_none() => {
            Err(format!("`{text}` is not {}", form::TRANSACTION_TIMEOUT))
        }
        _ => Ok(()),
    }
}
