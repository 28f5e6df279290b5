//! The chain's registered errors, as (codespace, code, text), and the two forms in which they leave a handler.
//!
//! This file must not know which rule gives which error.

use std::fmt::Display;

use tonic::Code;

/// An error that a module has registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// The module.
    pub codespace: &'static str,
    /// The number within the module.
    pub code: u32,
    /// The gRPC code that queries answer with.
    pub grpc: Code,
    /// Its own text.
    pub text: &'static str,
}

impl Registered {
    /// The error with its own text only.
    pub fn plain(self) -> ChainError {
        ChainError { codespace: self.codespace, code: self.code, text: self.text.to_owned() }
    }

    /// The error with `context` in front: `context: text`.
    pub fn wrap(self, context: impl Display) -> ChainError {
        ChainError { codespace: self.codespace, code: self.code, text: format!("{context}: {}", self.text) }
    }
}

impl From<Registered> for ChainError {
    fn from(registered: Registered) -> Self {
        registered.plain()
    }
}

/// Why a transaction is refused, as check and delivery tell it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{codespace} {code}: {text}")]
pub struct ChainError {
    /// The module, `sdk`, or `undefined`.
    pub codespace: &'static str,
    /// The number within it.
    pub code: u32,
    /// The raw log.
    pub text: String,
}

impl ChainError {
    /// An error that no module has registered: codespace `undefined`, code 1.
    pub fn undefined(text: impl Into<String>) -> Self {
        Self { codespace: "undefined", code: 1, text: text.into() }
    }

    /// Whether this is the out of gas of the SDK, which carries no message index.
    pub fn is_out_of_gas(&self) -> bool {
        (self.codespace, self.code) == (sdk::OUT_OF_GAS.codespace, sdk::OUT_OF_GAS.code)
    }
}

/// Why a query is refused: gRPC code and message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct QueryError {
    /// gRPC code.
    pub code: Code,
    /// The message, with `codespace X code N: ` in front where the module wraps its error.
    pub message: String,
}

impl QueryError {
    /// An error of no module.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Registered> for QueryError {
    fn from(error: Registered) -> Self {
        let Registered { codespace, code, grpc, text } = error;
        Self { code: grpc, message: format!("codespace {codespace} code {code}: {text}") }
    }
}

macro_rules! registered {
    ($(#[$doc:meta])* $module:ident = $codespace:literal { $($name:ident = $code:literal, $grpc:ident, $text:literal;)* }) => {
        $(#[$doc])*
        pub mod $module {
            use super::{Code, Registered};
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: Registered =
                    Registered { codespace: $codespace, code: $code, grpc: Code::$grpc, text: $text };
            )*
            /// All of the module that the devnet uses.
            pub const ALL: &[Registered] = &[$($name),*];
        }
    };
}

registered! {
    /// Errors of the SDK itself.
    sdk = "sdk" {
        TX_DECODE = 2, Unknown, "tx parse error";
        INVALID_SEQUENCE = 3, Unknown, "invalid sequence";
        UNAUTHORIZED = 4, Unknown, "unauthorized";
        INSUFFICIENT_FUNDS = 5, Unknown, "insufficient funds";
        UNKNOWN_REQUEST = 6, Unknown, "unknown request";
        INVALID_ADDRESS = 7, Unknown, "invalid address";
        INVALID_PUBKEY = 8, Unknown, "invalid pubkey";
        UNKNOWN_ADDRESS = 9, Unknown, "unknown address";
        INVALID_COINS = 10, Unknown, "invalid coins";
        OUT_OF_GAS = 11, Unknown, "out of gas";
        MEMO_TOO_LARGE = 12, Unknown, "memo too large";
        INSUFFICIENT_FEE = 13, Unknown, "insufficient fee";
        TOO_MANY_SIGNATURES = 14, Unknown, "maximum number of signatures exceeded";
        NO_SIGNATURES = 15, Unknown, "no signatures supplied";
        INVALID_REQUEST = 18, Unknown, "invalid request";
        TX_IN_CACHE = 19, Unknown, "tx already in mempool";
        TX_TOO_LARGE = 21, Unknown, "tx too large";
        INVALID_HEIGHT = 26, Unknown, "invalid height";
        TIMEOUT_HEIGHT = 30, Unknown, "tx timeout height";
        WRONG_SEQUENCE = 32, Unknown, "incorrect account sequence";
        NOT_SUPPORTED = 37, Unknown, "feature not supported";
        NOT_FOUND = 38, Unknown, "not found";
        TX_TIMEOUT = 42, Unknown, "tx timeout";
    }
}

registered! {
    /// Errors of fee allowances.
    feegrant = "feegrant" {
        FEE_LIMIT_EXCEEDED = 2, Unknown, "fee limit exceeded";
    }
}

registered! {
    /// Errors of attributes and deposits, shared by the modules.
    akash = "akash" {
        DUPLICATE_ATTRIBUTE_KEYS = 1, Unknown, "duplicate attribute keys";
        ATTRIBUTE_KEY = 2, Unknown, "attribute key does not match regexp";
        INVALID_DEPOSIT_SOURCE = 4, Unknown, "invalid deposit source";
    }
}

registered! {
    /// Errors of the deployment module.
    deployment = "deployment" {
        EXISTS = 3, AlreadyExists, "Deployment exists";
        NOT_FOUND = 4, NotFound, "Deployment not found";
        CLOSED = 5, FailedPrecondition, "Deployment closed";
        INVALID_GROUPS = 7, InvalidArgument, "Invalid groups";
        EMPTY_HASH = 9, InvalidArgument, "Invalid: empty hash";
        INVALID_HASH = 10, InvalidArgument, "Invalid: deployment hash";
        GROUP_NOT_FOUND = 14, NotFound, "Group not found";
        GROUP_CLOSED = 15, FailedPrecondition, "Group already closed";
        GROUP_OPEN = 16, FailedPrecondition, "Group open";
        GROUP_PAUSED = 17, FailedPrecondition, "Group paused";
        INVALID_DEPOSIT = 20, InvalidArgument, "Deposit invalid";
        INVALID_PRICE = 24, InvalidArgument, "invalid price";
        DUPLICATE_GROUP_NAME = 25, InvalidArgument, "duplicate group name";
        INVALID_RECLAMATION = 26, InvalidArgument, "invalid reclamation configuration";
    }
}

registered! {
    /// Errors of the market module.
    market = "market" {
        EMPTY_PROVIDER = 1, InvalidArgument, "empty provider";
        SAME_ACCOUNT = 2, InvalidArgument, "owner and provider are the same account";
        ATTRIBUTE_MISMATCH = 5, InvalidArgument, "attribute mismatch";
        UNKNOWN_BID = 6, NotFound, "unknown bid";
        UNKNOWN_LEASE_FOR_BID = 8, NotFound, "unknown lease for bid";
        UNKNOWN_ORDER_FOR_BID = 9, NotFound, "unknown order for bid";
        LEASE_NOT_ACTIVE = 10, FailedPrecondition, "lease not active";
        BID_NOT_ACTIVE = 11, FailedPrecondition, "bid not active";
        BID_NOT_OPEN = 12, FailedPrecondition, "bid not open";
        ORDER_NOT_OPEN = 13, FailedPrecondition, "bid: order not open";
        ORDER_NOT_FOUND = 15, NotFound, "invalid order: order not found";
        GROUP_NOT_FOUND = 16, NotFound, "group not found";
        GROUP_NOT_OPEN = 17, FailedPrecondition, "group not open";
        BID_NOT_FOUND = 18, NotFound, "invalid bid: bid not found";
        LEASE_NOT_FOUND = 20, NotFound, "invalid lease: lease not found";
        BID_EXISTS = 21, AlreadyExists, "invalid bid: bid exists from provider";
        BID_INVALID_PRICE = 22, InvalidArgument, "bid price is invalid";
        ORDER_ACTIVE = 23, FailedPrecondition, "order active";
        ORDER_CLOSED = 24, FailedPrecondition, "order closed";
        INVALID_DEPOSIT = 28, InvalidArgument, "deposit invalid";
        UNKNOWN_PROVIDER = 30, NotFound, "unknown provider";
        INVALID_BID = 31, InvalidArgument, "invalid bid";
        CAPABILITIES_MISMATCH = 32, InvalidArgument, "capabilities mismatch";
        INVALID_LEASE_CLOSED_REASON = 33, InvalidArgument, "invalid lease closed reason";
        LEASE_NOT_RECLAMABLE = 35, FailedPrecondition, "lease does not have reclamation configured";
        LEASE_ALREADY_RECLAIMING = 36, FailedPrecondition, "reclamation already in progress";
        RECLAMATION_NOT_STARTED = 37, FailedPrecondition, "reclamation not started; call MsgLeaseStartReclaim first";
        RECLAMATION_WINDOW_NOT_ELAPSED = 38, FailedPrecondition, "reclamation window has not elapsed";
        RECLAMATION_WINDOW_INVALID = 39, InvalidArgument, "reclamation window outside governance bounds";
        RECLAMATION_REQUIRED = 40, InvalidArgument, "order requires reclamation but bid does not offer it";
        RECLAMATION_WINDOW_TOO_SHORT = 41, InvalidArgument, "reclamation window shorter than order minimum";
    }
}

registered! {
    /// Errors of the escrow module.
    escrow = "escrow" {
        ACCOUNT_EXISTS = 1, AlreadyExists, "account exists";
        ACCOUNT_CLOSED = 2, FailedPrecondition, "account closed";
        ACCOUNT_NOT_FOUND = 3, NotFound, "account not found";
        ACCOUNT_OVERDRAWN = 4, FailedPrecondition, "account overdrawn";
        INVALID_DENOMINATION = 5, InvalidArgument, "invalid denomination";
        PAYMENT_EXISTS = 6, AlreadyExists, "payment exists";
        PAYMENT_CLOSED = 7, FailedPrecondition, "payment closed";
        PAYMENT_NOT_FOUND = 8, NotFound, "payment not found";
        PAYMENT_RATE_ZERO = 9, InvalidArgument, "payment rate zero";
        INVALID_ID = 12, InvalidArgument, "invalid ID";
        INVALID_DEPOSIT = 16, InvalidArgument, "invalid deposit";
    }
}

registered! {
    /// Errors of the certificate module.
    cert = "cert" {
        NOT_FOUND = 1, NotFound, "certificate not found";
        EXISTS = 3, AlreadyExists, "certificate exists";
        ALREADY_REVOKED = 4, FailedPrecondition, "certificate already revoked";
        INVALID_SERIAL = 5, InvalidArgument, "invalid serial number";
        INVALID_CERTIFICATE = 6, InvalidArgument, "invalid certificate value";
        INVALID_PUBKEY = 7, InvalidArgument, "invalid pubkey value";
        INVALID_STATE = 8, InvalidArgument, "invalid state";
    }
}

registered! {
    /// Errors of the provider module.
    provider = "provider" {
        INVALID_URI = 1, InvalidArgument, "invalid provider: invalid host uri";
        NOT_ABSOLUTE_URI = 2, InvalidArgument, "invalid provider: not absolute host uri";
        NOT_FOUND = 3, NotFound, "invalid provider: address not found";
        EXISTS = 4, AlreadyExists, "invalid provider: already exists";
        INVALID_ADDRESS = 5, InvalidArgument, "invalid address";
    }
}

registered! {
    /// Errors of the audit module.
    audit = "audit" {
        PROVIDER_NOT_FOUND = 1, NotFound, "invalid provider: address not found";
    }
}

registered! {
    /// Errors of burn-mint equilibrium.
    bme = "bme" {
        UNAUTHORIZED = 3, Unauthenticated, "unauthorized";
        CIRCUIT_BREAKER = 6, Aborted, "circuit breaker is active";
        INVALID_AMOUNT = 8, InvalidArgument, "invalid amount";
        INVALID_DENOM = 9, InvalidArgument, "invalid denomination";
        INVALID_ADDRESS = 10, InvalidArgument, "invalid address";
    }
}

registered! {
    /// Errors of the price oracle.
    oracle = "oracle.v2" {
        PRICE_STALLED = 4, Unknown, "price stalled";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every constant of the chain's own modules is the registered one of `errors.json`.
    #[test]
    fn texts_and_codes_are_the_registered_ones() {
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../../../testdata/errors.json")).unwrap();
        let modules =
            [deployment::ALL, market::ALL, escrow::ALL, cert::ALL, provider::ALL, audit::ALL, bme::ALL];
        for error in modules.into_iter().flatten() {
            let row = rows
                .iter()
                .find(|row| row["codespace"] == error.codespace && row["code"] == error.code)
                .unwrap_or_else(|| panic!("{error:?} is not registered"));
            assert_eq!(row["text"], error.text);
            assert_eq!(row["grpc"], format!("{:?}", error.grpc), "{error:?}");
        }
    }
}
