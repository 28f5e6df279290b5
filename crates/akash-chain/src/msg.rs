//! The messages that a tenant sends, and what the pipeline must know of each: its type URL, the coins it takes, and
//! whether it settles escrow.
//!
//! This file must not know how messages are sent. A new kind of message is one line of [`messages!`] and one arm in
//! each method that asks about kinds.

use akash_proto::{
    Any, Coin,
    akash::{
        base::deposit::v1::{Deposit, Source},
        bme::v1::{MsgBurnAct, MsgMintAct},
        cert::v1::{MsgCreateCertificate, MsgRevokeCertificate},
        deployment::v1beta4::{
            MsgCloseDeployment, MsgCloseGroup, MsgCreateDeployment, MsgPauseGroup, MsgStartGroup,
            MsgUpdateDeployment,
        },
        escrow::v1::MsgAccountDeposit,
        market::v1beta5::{MsgCloseLease, MsgCreateLease},
    },
    any, type_url, unpack,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident($message:ty),)*) => {
        /// A message of the wallet's account. It is serialised as its type URL and its bytes.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Msg {
            $($(#[$doc])* $name($message),)*
        }

        $(impl From<$message> for Msg {
            fn from(message: $message) -> Self {
                Self::$name(message)
            }
        }

        impl From<$message> for Labelled {
            fn from(message: $message) -> Self {
                Msg::from(message).into()
            }
        })*

        impl Msg {
            /// The message as a transaction holds it.
            pub fn any(&self) -> Any {
                match self {
                    $(Self::$name(message) => any(message),)*
                }
            }

            /// The message back from a transaction; `None` for a type that is not one of these.
            pub fn from_any(packed: &Any) -> Option<Self> {
                $(if packed.type_url == type_url::<$message>() {
                    return unpack::<$message>(packed).map(Self::$name);
                })*
                None
            }

            /// `/akash.deployment.v1beta4.MsgCreateDeployment` and so on.
            pub fn type_url(&self) -> String {
                match self {
                    $(Self::$name(_) => type_url::<$message>(),)*
                }
            }
        }
    };
}

messages! {
    /// Creates a deployment, its groups, their first orders and the escrow account.
    CreateDeployment(MsgCreateDeployment),
    /// Sets a new manifest hash.
    UpdateDeployment(MsgUpdateDeployment),
    /// Closes a deployment with all its groups, orders and leases, and refunds its escrow.
    CloseDeployment(MsgCloseDeployment),
    /// Closes a group for good.
    CloseGroup(MsgCloseGroup),
    /// Pauses a group: its order, bids and lease are closed.
    PauseGroup(MsgPauseGroup),
    /// Starts a paused group with a new order.
    StartGroup(MsgStartGroup),
    /// Takes a bid.
    CreateLease(MsgCreateLease),
    /// Closes a lease; the chain makes a new order for its group at once.
    CloseLease(MsgCloseLease),
    /// Puts coins into an escrow account.
    Deposit(MsgAccountDeposit),
    /// Publishes a client certificate.
    CreateCertificate(MsgCreateCertificate),
    /// Revokes a client certificate.
    RevokeCertificate(MsgRevokeCertificate),
    /// Asks for ACT to be minted from AKT, at a later epoch.
    MintAct(MsgMintAct),
    /// Asks for ACT to be burnt to AKT, at a later epoch.
    BurnAct(MsgBurnAct),
}

impl Msg {
    /// What the message takes from the signer's own balance, if it takes anything. A deposit that names a grant as a
    /// source may take less or nothing, so it is not counted: the chain alone can tell.
    pub fn takes(&self) -> Option<Coin> {
        let deposit = |deposit: &Option<Deposit>| {
            let deposit = deposit.as_ref()?;
            let granted = deposit.sources.iter().any(|source| *source == i32::from(Source::Grant));
            deposit.amount.as_ref().filter(|_| !granted).and_then(|coin| Coin::try_from(coin).ok())
        };
        let burnt = |coin: &Option<_>| coin.as_ref().and_then(|coin| Coin::try_from(coin).ok());
        match self {
            Self::CreateDeployment(message) => deposit(&message.deposit),
            Self::Deposit(message) => deposit(&message.deposit),
            Self::MintAct(message) => burnt(&message.coins_to_burn),
            Self::BurnAct(message) => burnt(&message.coins_to_burn),
            _ => None,
        }
        .filter(|coin| coin.amount > 0)
    }

    /// What the coins of [`Msg::takes`] are for, to end the sentence "too little ... for".
    pub fn takes_for(&self) -> &'static str {
        match self {
            Self::CreateDeployment(_) => "the deployment's deposit",
            Self::Deposit(_) => "the deposit into the deployment's escrow",
            Self::MintAct(_) => "the AKT to mint ACT from",
            Self::BurnAct(_) => "the ACT to burn",
            _ => "the message",
        }
    }

    /// Whether delivery settles escrow. What that costs depends on the block it happens in, so simulation is far off
    /// (a close used 1.52 times what was simulated; reference: akash 7.1).
    pub fn settles_escrow(&self) -> bool {
        match self {
            Self::CloseDeployment(_)
            | Self::CloseGroup(_)
            | Self::PauseGroup(_)
            | Self::CloseLease(_)
            | Self::Deposit(_)
            | Self::CreateLease(_) => true,
            Self::CreateDeployment(_)
            | Self::UpdateDeployment(_)
            | Self::StartGroup(_)
            | Self::CreateCertificate(_)
            | Self::RevokeCertificate(_)
            | Self::MintAct(_)
            | Self::BurnAct(_) => false,
        }
    }
}

/// What a message is for, as whoever reads the journal later must know it. The chain does not see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// The name that the user gave to what the message makes, if any.
    pub name: Option<String>,
    /// The user's reason, if any.
    pub reason: Option<String>,
}

/// A message to be sent, and what it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The message.
    pub message: Msg,
    /// What it is for.
    pub label: Label,
}

impl Labelled {
    /// With the name that the user gave to what it makes.
    #[must_use]
    pub fn named(mut self, name: Option<&str>) -> Self {
        self.label.name = name.map(str::to_owned);
        self
    }

    /// With the user's reason.
    #[must_use]
    pub fn because(mut self, reason: Option<&str>) -> Self {
        self.label.reason = reason.map(str::to_owned);
        self
    }
}

impl From<Msg> for Labelled {
    fn from(message: Msg) -> Self {
        Self { message, label: Label::default() }
    }
}

/// The serialised form of a message.
#[derive(Serialize, Deserialize)]
struct Packed {
    type_url: String,
    value: String,
}

impl Serialize for Msg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let any = self.any();
        Packed { type_url: any.type_url, value: STANDARD.encode(any.value) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Msg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let packed = Packed::deserialize(deserializer)?;
        let value = STANDARD.decode(&packed.value).map_err(de::Error::custom)?;
        Self::from_any(&Any { type_url: packed.type_url, value })
            .ok_or_else(|| de::Error::custom("not a message that this version knows"))
    }
}

#[cfg(test)]
mod tests {
    use akash_proto::akash::deployment::v1::DeploymentId;

    use super::*;

    #[test]
    fn json_and_back() {
        let id = Some(DeploymentId { owner: "akash1x".into(), dseq: u64::MAX });
        let message = Msg::from(MsgCloseDeployment { id });
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Msg>(&json).unwrap(), message);
        assert!(
            serde_json::from_str::<Msg>(r#"{"type_url":"/cosmos.bank.v1beta1.MsgSend","value":""}"#).is_err()
        );
    }

    #[test]
    fn coins_from_grants_are_not_the_signers() {
        let coin = akash_proto::cosmos::base::v1beta1::Coin { denom: "uact".into(), amount: "5".into() };
        for (sources, expected) in
            [(vec![1], Some(Coin::new(5, "uact"))), (vec![1, 2], None), (vec![2], None)]
        {
            let deposit = Some(Deposit { amount: Some(coin.clone()), sources });
            assert_eq!(Msg::from(MsgAccountDeposit { deposit, ..Default::default() }).takes(), expected);
        }
    }
}
