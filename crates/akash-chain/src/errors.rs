//! What the chain refuses, as one type: (codespace, code) where they arrive, and from the text where only text does.
//!
//! CheckTx and delivery carry codespace and code; simulation carries text alone; queries carry `codespace X code N:
//! TEXT` where the module wraps its error (reference: akash 1.4). This file must not know transports, retries or
//! Terraform.

use std::fmt;

use crate::error_table::REGISTERED;

/// What stands between the two accounts where a fee allowance is refused.
const NOT_ALLOWED: &str = " does not allow to pay fees for ";

/// An error of the chain: a module's registered error, or `undefined` 1 for one that no module registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainError {
    /// The module that refused (`deployment`, `market`, `escrow`, `sdk`, ...), or `undefined`.
    pub codespace: String,
    /// The number of the error within its codespace.
    pub code: u32,
    /// What the chain wrote, without the frame that names the message and without source positions.
    pub text: String,
}

/// What callers tell apart. Everything else is [`Kind::Other`] and is told by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// deployment 3: a deployment of that dseq exists or has existed.
    DeploymentExists,
    /// deployment 4.
    DeploymentNotFound,
    /// deployment 5.
    DeploymentClosed,
    /// deployment 10: the hash is the one that is on chain already (or is not 32 bytes long).
    InvalidHash,
    /// deployment 20 or market 28: too low, or of a denomination that the chain does not take.
    InvalidDeposit,
    /// deployment 24: a price in a denomination that the chain does not take.
    InvalidPrice,
    /// deployment 14 or market 16.
    GroupNotFound,
    /// deployment 15.
    GroupClosed,
    /// deployment 16: the group is open already.
    GroupOpen,
    /// deployment 17: the group is paused already.
    GroupPaused,
    /// deployment 18 or market 17.
    GroupNotOpen,
    /// market 15.
    OrderNotFound,
    /// market 13 or 24: closed, or leased already.
    OrderNotOpen,
    /// market 23: the order has a lease.
    OrderActive,
    /// market 6 or 18.
    BidNotFound,
    /// market 11 or 12.
    BidNotOpen,
    /// market 7, 8, 14 or 20.
    LeaseNotFound,
    /// market 10.
    LeaseNotActive,
    /// escrow 3.
    EscrowNotFound,
    /// escrow 2.
    EscrowClosed,
    /// escrow 4.
    EscrowOverdrawn,
    /// cert 1.
    CertificateNotFound,
    /// cert 3.
    CertificateExists,
    /// bme 6.
    CircuitBreaker,
    /// bme 5 or oracle.v2 4: the price of AKT is not known well enough.
    OracleUnhealthy,
    /// `undefined` 1 with the text `deposit invalid: insufficient balance`: the depositor holds too little, or the
    /// grant that was named is not there.
    InsufficientDepositBalance,
    /// sdk 38 of the account that is to pay the fee: it has given the wallet no allowance, or has taken it back.
    FeeGrantNotFound,
    /// feegrant 3.
    FeeGrantExpired,
    /// feegrant 2: what is left of the allowance, or of its period, is less than the fee.
    FeeGrantUsedUp,
    /// feegrant 7: the allowance is for other messages.
    FeeGrantNotForMessage,
    /// sdk 5: too little for the fee or for what a message moves.
    InsufficientFunds,
    /// sdk 13: the node asks for a higher gas price.
    InsufficientFee,
    /// sdk 11.
    OutOfGas,
    /// sdk 4: the signature does not fit the chain id or the account, or the signer may not do this.
    Unauthorized,
    /// sdk 9: the account has never received anything.
    UnknownAccount,
    /// sdk 18 whose text says that the sender has already used this timeout.
    TimeoutUsed,
    /// sdk 18 with any other text.
    InvalidRequest,
    /// sdk 37, or sdk 18 whose text says so: the chain does not take unordered transactions.
    UnorderedNotSupported,
    /// sdk 19: this very transaction is in the node's cache: it waits, or it was included a moment ago.
    TxInCache,
    /// sdk 20.
    MempoolFull,
    /// sdk 21.
    TxTooLarge,
    /// sdk 32.
    SequenceMismatch,
    /// sdk 42 or 30: the transaction's timeout has passed.
    TxTimeout,
    /// Any other.
    Other,
}

impl ChainError {
    /// From a result that carries codespace and code (CheckTx, delivery).
    pub fn new(codespace: impl Into<String>, code: u32, log: &str) -> Self {
        Self { codespace: codespace.into(), code, text: strip_frame(log).1.to_owned() }
    }

    /// From text alone: what simulation answers. `type_url` is that of the message at fault; where several modules
    /// register the same text it decides which one is meant.
    ///
    /// The Cosmos SDK writes a wrapped error as `DESCRIPTION: REGISTERED TEXT`, so the longest registered text that
    /// ends the line (after `: ` or alone) is the error; with none it is `undefined` 1.
    pub fn from_text(log: &str, type_url: Option<&str>) -> Self {
        let (_, text) = strip_frame(log);
        let ends = |registered: &str| {
            text.strip_suffix(registered).is_some_and(|rest| rest.is_empty() || rest.ends_with(": "))
        };
        let found = REGISTERED
            .iter()
            .filter(|row| ends(row.text))
            .max_by_key(|row| (row.text.len(), likelihood(row.codespace, type_url)));
        let (codespace, code) = found.map_or(("undefined", 1), |row| (row.codespace, row.code));
        Self { codespace: codespace.into(), code, text: text.to_owned() }
    }

    /// From a query's status message, when it is of the form `codespace X code N: TEXT`.
    pub fn from_query(message: &str) -> Option<Self> {
        let rest = message.split_once("codespace ")?.1;
        let (codespace, rest) = rest.split_once(" code ")?;
        let (code, text) = rest.split_once(':')?;
        Some(Self {
            codespace: codespace.into(),
            code: code.parse().ok()?,
            text: strip_frame(text.trim_start()).1.into(),
        })
    }

    /// With the accounts named by their addresses in what the chain says of a fee allowance: it writes them as raw bytes.
    pub(crate) fn with_accounts(mut self, granter: &str, grantee: &str) -> Self {
        if let Some((_, rest)) = self.text.split_once(NOT_ALLOWED) {
            // What follows the bytes, which may hold anything.
            let readable = |part: &&str| part.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            let reason: Vec<&str> = rest.split(": ").skip(1).filter(readable).collect();
            self.text = format!("{granter}{NOT_ALLOWED}{grantee}: {}", reason.join(": "));
        }
        self
    }

    /// What kind of refusal it is, for decisions.
    pub fn kind(&self) -> Kind {
        match (self.codespace.as_str(), self.code) {
            ("deployment", 3) => Kind::DeploymentExists,
            ("deployment", 4) => Kind::DeploymentNotFound,
            ("deployment", 5) => Kind::DeploymentClosed,
            ("deployment", 10) => Kind::InvalidHash,
            ("deployment", 20) | ("market", 28) => Kind::InvalidDeposit,
            ("deployment", 24) => Kind::InvalidPrice,
            ("deployment", 14) | ("market", 16) => Kind::GroupNotFound,
            ("deployment", 15) => Kind::GroupClosed,
            ("deployment", 16) => Kind::GroupOpen,
            ("deployment", 17) => Kind::GroupPaused,
            ("deployment", 18) | ("market", 17) => Kind::GroupNotOpen,
            ("market", 15) => Kind::OrderNotFound,
            ("market", 13 | 24) => Kind::OrderNotOpen,
            ("market", 23) => Kind::OrderActive,
            ("market", 6 | 18) => Kind::BidNotFound,
            ("market", 11 | 12) => Kind::BidNotOpen,
            ("market", 7 | 8 | 14 | 20) => Kind::LeaseNotFound,
            ("market", 10) => Kind::LeaseNotActive,
            ("escrow", 2) => Kind::EscrowClosed,
            ("escrow", 3) => Kind::EscrowNotFound,
            ("escrow", 4) => Kind::EscrowOverdrawn,
            ("cert", 1) => Kind::CertificateNotFound,
            ("cert", 3) => Kind::CertificateExists,
            ("bme", 6) => Kind::CircuitBreaker,
            ("bme", 5) | ("oracle.v2", 4) => Kind::OracleUnhealthy,
            // Simulation and `abci_query` give the text alone, and the oracle's errors are not in the table.
            ("undefined", 1) | ("grpc", 2)
                if self.text.starts_with("price stalled") || self.text.ends_with("price stalled") =>
            {
                Kind::OracleUnhealthy
            }
            ("undefined", 1) if self.text.ends_with("deposit invalid: insufficient balance") => {
                Kind::InsufficientDepositBalance
            }
            ("feegrant", 2) => Kind::FeeGrantUsedUp,
            ("feegrant", 3) => Kind::FeeGrantExpired,
            ("feegrant", 7) => Kind::FeeGrantNotForMessage,
            ("feegrant", 5) => Kind::FeeGrantNotFound,
            ("sdk", 38) if self.text.contains("fee-grant not found") => Kind::FeeGrantNotFound,
            ("sdk", 4) => Kind::Unauthorized,
            ("sdk", 5) => Kind::InsufficientFunds,
            ("sdk", 9) => Kind::UnknownAccount,
            ("sdk", 11) => Kind::OutOfGas,
            ("sdk", 13) => Kind::InsufficientFee,
            ("sdk", 18) if self.text.contains("already used timeout") => Kind::TimeoutUsed,
            ("sdk", 18 | 37) if self.text.contains("unordered transactions are not") => {
                Kind::UnorderedNotSupported
            }
            ("sdk", 18) => Kind::InvalidRequest,
            ("sdk", 19) => Kind::TxInCache,
            ("sdk", 20) => Kind::MempoolFull,
            ("sdk", 21) => Kind::TxTooLarge,
            ("sdk", 30 | 42) => Kind::TxTimeout,
            ("sdk", 32) => Kind::SequenceMismatch,
            _ => Kind::Other,
        }
    }

    /// What it means and what to do, in one or two sentences for a user; empty where the chain's own text is all
    /// there is to say.
    pub fn advice(&self) -> &'static str {
        match self.kind() {
            Kind::DeploymentExists => {
                "A deployment with this dseq exists already, or did once: the chain never gives a dseq out twice."
            }
            Kind::DeploymentNotFound => "There is no such deployment on this chain.",
            Kind::DeploymentClosed => {
                "The deployment is closed: by its owner, or because its escrow ran out. It cannot be opened again; create a new one."
            }
            Kind::InvalidHash => "The chain has this very hash already: there is nothing to update.",
            Kind::InvalidDeposit => {
                "Set `deposit` to at least the chain's minimum, in uact: deployments are paid for in ACT."
            }
            Kind::InvalidPrice => "Prices must be in uact: set `denom: uact` in the SDL's pricing.",
            Kind::GroupNotFound => "The deployment has no such group.",
            Kind::GroupClosed => "The group is closed for good; create a new deployment.",
            Kind::GroupOpen => "The group is open already.",
            Kind::GroupPaused => "The group is paused; it must be started before an order can be leased.",
            Kind::GroupNotOpen => "The group is not open; it must be started before an order can be leased.",
            Kind::OrderNotFound => "There is no such order; start the group to get one.",
            Kind::OrderNotOpen => "The order was closed or leased meanwhile; look again before leasing.",
            Kind::OrderActive => "The order has a lease already.",
            Kind::BidNotFound => "The provider has taken its bid back, or never made it.",
            Kind::BidNotOpen => {
                "The bid is no longer open: it was leased, lost or taken back by the provider."
            }
            Kind::LeaseNotFound => "There is no such lease.",
            Kind::LeaseNotActive => "The lease is not active any more.",
            Kind::EscrowNotFound => "There is no escrow account for this deployment.",
            Kind::EscrowClosed => "The escrow account is closed, as its deployment is.",
            Kind::EscrowOverdrawn => {
                "The deployment's escrow has run out: it cannot be topped up any more; create a new deployment."
            }
            Kind::CertificateNotFound => "There is no such certificate on chain.",
            Kind::CertificateExists => "A certificate with this serial number exists already.",
            Kind::CircuitBreaker => {
                "Minting is stopped by the network's circuit breaker because too little AKT backs the ACT that is out; try again later."
            }
            Kind::OracleUnhealthy => {
                "The network has no fresh price of AKT, so it converts nothing at present; try again later."
            }
            Kind::InsufficientDepositBalance => {
                "The wallet holds too little uact for the deposit, or the grant that should pay does not. ACT is minted from AKT with an `akash_act` resource (at least 10 ACT at a time)."
            }
            Kind::FeeGrantNotFound => {
                "The account in `fee_granter` has given this wallet no fee allowance, or has taken it back. Ask it for one, or leave `fee_granter` unset: then the wallet pays."
            }
            Kind::FeeGrantExpired => {
                "The fee allowance that `fee_granter` gave this wallet has expired. Ask that account for a new one, or leave `fee_granter` unset: then the wallet pays."
            }
            Kind::FeeGrantUsedUp => {
                "What is left of the fee allowance that `fee_granter` gave this wallet does not cover this fee. Ask that account for a larger one, or leave `fee_granter` unset: then the wallet pays."
            }
            Kind::FeeGrantNotForMessage => {
                "The fee allowance that `fee_granter` gave this wallet does not cover messages of this kind. Ask that account to allow them, or leave `fee_granter` unset: then the wallet pays."
            }
            Kind::InsufficientFunds => {
                "The wallet holds too little for the fee or the amount: send it AKT; ACT is minted from it (`akash_act`)."
            }
            Kind::InsufficientFee => "The node asks for a higher gas price: raise `gas_price`.",
            Kind::OutOfGas => "The transaction needed more gas than it was given: raise `gas_adjustment`.",
            Kind::Unauthorized => {
                "The signature does not fit: check `chain_id` and that the mnemonic is that of the owner."
            }
            Kind::UnknownAccount => {
                "The account is not on chain yet: it has never received anything. Send it uakt."
            }
            Kind::TxTimeout => {
                "The transaction's time had passed before it came into a block. Nothing was done; apply again."
            }
            Kind::MempoolFull => {
                "The node has too many transactions waiting; try again later or use another endpoint."
            }
            Kind::TxTooLarge => "The transaction is larger than the node takes.",
            Kind::SequenceMismatch => "Another program is using the same wallet; apply again.",
            Kind::TimeoutUsed
            | Kind::InvalidRequest
            | Kind::UnorderedNotSupported
            | Kind::TxInCache
            | Kind::Other => "",
        }
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", plain_text::line(&self.text), plain_text::line(&self.codespace), self.code)
    }
}

impl std::error::Error for ChainError {}

/// Which message of the transaction was refused: N of `failed to execute message; message index: N: ...`. `None`
/// when the transaction as a whole was (its form, its fee, its signature, or a message's form).
pub fn message_index(log: &str) -> Option<usize> {
    strip_frame(log).0
}

/// Takes off what surrounds an error's text: the message index in front; gas used and source position behind.
fn strip_frame(log: &str) -> (Option<usize>, &str) {
    let mut text = log.trim();
    if let Some(position) = text.rfind(" with gas used: '") {
        text = text.get(..position).unwrap_or(text);
    }
    while let Some(position) = text.ends_with(']').then(|| text.rfind(" [")).flatten() {
        let inside = text.get(position + 2..text.len() - 1).unwrap_or_default();
        let line = inside.rsplit_once(':').map_or("", |(_, line)| line);
        if line.is_empty() || !line.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        text = text.get(..position).unwrap_or(text);
    }
    let framed = text
        .strip_prefix("failed to execute message; message index: ")
        .and_then(|rest| rest.split_once(": "))
        .and_then(|(index, rest)| Some((index.parse().ok()?, rest)));
    match framed {
        Some((index, rest)) => (Some(index), rest),
        None => (None, text),
    }
}

/// How likely a codespace is the source of an error of a message: its own module, then those that it calls.
fn likelihood(codespace: &str, type_url: Option<&str>) -> u8 {
    let module = type_url.and_then(|url| url.strip_prefix("/akash.")).and_then(|rest| rest.split('.').next());
    match (module, codespace) {
        (Some(module), codespace) if module == codespace => 3,
        (Some("deployment" | "market"), "escrow")
        | (Some("deployment"), "market")
        | (Some("market"), "deployment") => 2,
        (_, "sdk") => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_allowance_is_told_by_its_accounts() {
        // As nodes write it: both addresses as 20 bytes, of which what is not UTF-8 arrives as replacement characters.
        let bytes = "\u{fffd}\u{1b}[31m\u{7}a\u{fffd}: \u{fffd}\u{0}";
        let (granter, wallet) = ("akash1granter", "akash1wallet");
        for (reason, kind, code) in [
            ("fee-grant not found: not found", Kind::FeeGrantNotFound, ("sdk", 38)),
            ("basic allowance: fee allowance expired", Kind::FeeGrantExpired, ("feegrant", 3)),
            ("basic allowance: fee limit exceeded", Kind::FeeGrantUsedUp, ("feegrant", 2)),
            ("period limit: fee limit exceeded", Kind::FeeGrantUsedUp, ("feegrant", 2)),
            (
                "message does not exist in allowed messages: message not allowed",
                Kind::FeeGrantNotForMessage,
                ("feegrant", 7),
            ),
        ] {
            let log = format!("{bytes}{NOT_ALLOWED}{bytes}: {reason} with gas used: '1'");
            let error = ChainError::from_text(&log, None).with_accounts(granter, wallet);
            assert_eq!(
                (error.codespace.as_str(), error.code, error.kind()),
                (code.0, code.1, kind),
                "{error}"
            );
            assert_eq!(error.text, format!("{granter}{NOT_ALLOWED}{wallet}: {reason}"));
            assert!(error.advice().contains("fee_granter"));
        }
        let other = ChainError::from_text("x: not found", None).with_accounts(granter, wallet);
        assert_eq!((other.text.as_str(), other.kind()), ("x: not found", Kind::Other));
    }
}
