//! The messages that the devnet takes: from type URL to signer, checks and handler.

use akash_proto::{
    Any, Message as _,
    akash::{
        bme::v1::{MsgBurnAct, MsgBurnMint, MsgMintAct},
        cert::v1::{MsgCreateCertificate, MsgRevokeCertificate},
        deployment::v1beta4::{
            MsgCloseDeployment, MsgCloseGroup, MsgCreateDeployment, MsgPauseGroup, MsgStartGroup,
            MsgUpdateDeployment,
        },
        escrow::v1::MsgAccountDeposit,
        market::v1beta5::{
            MsgCloseBid, MsgCloseLease, MsgCreateBid, MsgCreateLease, MsgLeaseStartReclaim, MsgWithdrawLease,
        },
        provider::v1beta4::{MsgCreateProvider, MsgUpdateProvider},
    },
    any, type_url,
};

use super::{
    bme, certificates, deployment,
    errors::{ChainError, sdk},
    escrow,
    exec::Exec,
    market, providers,
};

macro_rules! messages {
    ($($variant:ident: signer $signer:expr, check $check:expr, run $run:path;)*) => {
        /// One decoded message.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Message {
            $(#[doc = concat!("`", stringify!($variant), "`")] $variant($variant),)*
        }

        impl Message {
            /// Decodes by type URL.
            ///
            /// # Errors
            /// `sdk` 2 for a type the chain does not know or bytes that are not of it.
            pub fn decode(message: &Any) -> Result<Self, ChainError> {
                $(
                    if message.type_url == type_url::<$variant>() {
                        return $variant::decode(message.value.as_slice())
                            .map(Self::$variant)
                            .map_err(|error| sdk::TX_DECODE.wrap(error));
                    }
                )*
                Err(sdk::TX_DECODE.wrap(format_args!("unable to resolve type URL {}", message.type_url)))
            }

            /// The account that must sign.
            pub fn signer(&self) -> &str {
                match self {
                    $(Self::$variant(message) => {
                        let signer: fn(&$variant) -> Option<&str> = $signer;
                        signer(message).unwrap_or_default()
                    })*
                }
            }

            /// The checks that need no state.
            ///
            /// # Errors
            /// The message's own.
            pub fn validate_basic(&self) -> Result<(), ChainError> {
                match self {
                    $(Self::$variant(message) => {
                        let check: fn(&$variant) -> Result<(), ChainError> = $check;
                        check(message)
                    })*
                }
            }

            /// Carries it out; gives the response.
            ///
            /// # Errors
            /// The message's own.
            pub fn execute(self, exec: &mut Exec) -> Result<Any, ChainError> {
                match self {
                    $(Self::$variant(message) => $run(exec, message).map(|response| any(&response)),)*
                }
            }
        }
    };
}

messages! {
    MsgCreateDeployment:
        signer |m| Some(&m.id.as_ref()?.owner), check deployment::validate_create, run deployment::create;
    MsgUpdateDeployment:
        signer |m| Some(&m.id.as_ref()?.owner), check deployment::validate_update, run deployment::update;
    MsgCloseDeployment:
        signer |m| Some(&m.id.as_ref()?.owner),
        check |m| deployment::validate_id(m.id.as_ref()),
        run deployment::close;
    MsgCloseGroup:
        signer |m| Some(&m.id.as_ref()?.owner),
        check |m| deployment::validate_group_id(m.id.as_ref()),
        run deployment::close_group;
    MsgPauseGroup:
        signer |m| Some(&m.id.as_ref()?.owner),
        check |m| deployment::validate_group_id(m.id.as_ref()),
        run deployment::pause_group;
    MsgStartGroup:
        signer |m| Some(&m.id.as_ref()?.owner),
        check |m| deployment::validate_group_id(m.id.as_ref()),
        run deployment::start_group;
    MsgCreateBid:
        signer |m| Some(&m.id.as_ref()?.provider), check market::validate_create_bid, run market::create_bid;
    MsgCloseBid:
        signer |m| Some(&m.id.as_ref()?.provider),
        check |m| market::validate_bid_id(m.id.as_ref()).and_then(|()| market::validate_provider_reason(m.reason)),
        run market::close_bid;
    MsgCreateLease:
        signer |m| Some(&m.bid_id.as_ref()?.owner),
        check |m| market::validate_bid_id(m.bid_id.as_ref()),
        run market::create_lease;
    MsgCloseLease:
        signer |m| Some(&m.id.as_ref()?.owner),
        check |m| market::validate_lease_id(m.id.as_ref()),
        run market::close_lease;
    MsgWithdrawLease:
        signer |m| Some(&m.id.as_ref()?.provider),
        check |m| market::validate_lease_id(m.id.as_ref()),
        run market::withdraw_lease;
    MsgLeaseStartReclaim:
        signer |m| Some(&m.id.as_ref()?.provider),
        check |m| market::validate_lease_id(m.id.as_ref()).and_then(|()| market::validate_provider_reason(m.reason)),
        run market::start_reclaim;
    MsgAccountDeposit:
        signer |m| Some(&m.signer), check escrow::validate_account_deposit, run escrow::account_deposit;
    MsgCreateCertificate:
        signer |m| Some(&m.owner), check certificates::validate_create, run certificates::create;
    MsgRevokeCertificate:
        signer |m| Some(&m.id.as_ref()?.owner), check certificates::validate_revoke, run certificates::revoke;
    MsgCreateProvider:
        signer |m| Some(&m.owner),
        check |m| providers::validate(&m.owner, &m.host_uri),
        run providers::create;
    MsgUpdateProvider:
        signer |m| Some(&m.owner),
        check |m| providers::validate(&m.owner, &m.host_uri),
        run providers::update;
    MsgMintAct:
        signer |m| Some(&m.owner),
        check |m| bme::validate(&m.owner, &m.to, m.coins_to_burn.as_ref()),
        run bme::mint_act;
    MsgBurnAct:
        signer |m| Some(&m.owner),
        check |m| bme::validate(&m.owner, &m.to, m.coins_to_burn.as_ref()),
        run bme::burn_act;
    MsgBurnMint:
        signer |m| Some(&m.owner),
        check |m| bme::validate(&m.owner, &m.to, m.coins_to_burn.as_ref()),
        run bme::burn_mint;
}

/// The module of a type URL as events name it: `/akash.market.v1beta5.MsgCreateLease` is `market`.
pub fn module(type_url: &str) -> &str {
    type_url.trim_start_matches('/').split('.').nth(1).unwrap_or_default()
}
