//! Terraform's values without a schema: known, null or unknown, exact numbers, paths, and the serde bridge between
//! them and Rust structs. Knows nothing of schemas or of the wire.

mod convert;
mod dynamic;
mod number;
mod path;
mod value;

pub use convert::{ValueError, from_dynamic, to_dynamic};
pub use dynamic::Dynamic;
pub use number::{Number, NumberError};
pub use path::{Path, Step};
pub use value::Value;
