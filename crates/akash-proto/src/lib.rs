//! Messages and clients of Akash Network and the Cosmos SDK, as far as the provider and the devnet use them.
//!
//! The modules follow the protobuf packages. Numbers whose wire form is not what it looks like have types here:
//! [`Dec`] (18 decimals, an integer scaled by 10^18 on the wire) and [`Int`] (ASCII digits in `bytes`). Identifiers that
//! are whole for certain are in [`id`].
//!
//! ```
//! use akash_proto::{Dec, Message, akash::deployment::v1, any, id::GroupId};
//!
//! let price: Dec = "27.5".parse()?;
//! assert_eq!(price.to_wire(), "27500000000000000000");
//!
//! let id: GroupId = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9/42/1".parse()?;
//! assert_eq!(any(&v1::GroupId::from(&id)).type_url, "/akash.deployment.v1.GroupID");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate knows wire forms only: no network, no rules of the chain.

pub mod address;
pub mod id;
mod number;

pub use number::{Coin, Dec, Int, NumberError};
pub use prost::Message;
pub use prost_types::{Any, Duration, Timestamp};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/protos.rs"));
}
pub use generated::{akash, cosmos, tendermint};

/// The encoded `FileDescriptorSet` of every message here, for transcoding to JSON and for tests.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Packs a message for a transaction: type URL `/PACKAGE.NAME` and the encoded bytes.
pub fn any<M: prost::Name>(message: &M) -> Any {
    Any { type_url: type_url::<M>(), value: message.encode_to_vec() }
}

/// The type URL of a message type as the Cosmos SDK writes it: `/PACKAGE.NAME`.
pub fn type_url<M: prost::Name>() -> String {
    format!("/{}", M::full_name())
}

/// Unpacks an [`Any`] if it holds an `M`. `None` when it holds another type, or bytes that are not an `M`.
pub fn unpack<M: prost::Name + Default>(any: &Any) -> Option<M> {
    (any.type_url == type_url::<M>()).then(|| M::decode(any.value.as_slice()).ok()).flatten()
}
