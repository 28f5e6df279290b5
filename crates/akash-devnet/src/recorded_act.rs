//! The devnet against `testdata/recordings-act.json`: minting and burning ACT, its queue, ledger, vault and refusals.
//!
//! Heights: the price comes at 48, so epochs are at 58, 68, ... The recorded node's answers are the REST ones.

use akash_proto::{
    Any, Message as _,
    akash::bme::v1::{MsgBurnAct, MsgMintAct, QueryLedgerRecordsRequest},
    any,
    cosmos::{bank::v1beta1::QueryAllBalancesRequest, base::v1beta1::Coin},
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    Faults, Ordering, Wallet,
    chain::{operator::Operator, state::State},
    node::Node,
    server::{json, route::route},
    sign_transaction,
};

struct Act {
    steps: Vec<Value>,
    node: Node,
    tenant: Wallet,
}

fn at(height: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_239_308 + i64::try_from(height).unwrap()).unwrap()
}

impl Act {
    fn new() -> Self {
        let steps = serde_json::from_str(include_str!("../../../testdata/recordings-act.json")).unwrap();
        let wallets: Value = serde_json::from_str(include_str!("../../../testdata/recordings.json")).unwrap();
        let tenant =
            Wallet::from_mnemonic(wallets["wallets"]["tenant"]["mnemonic"].as_str().unwrap(), 0).unwrap();
        let mut state = State::new("local", at(0));
        state.operate(&Operator::FundVault { amount: "100000000000000".to_owned() });
        state.operate(&Operator::Fund {
            address: tenant.address().to_owned(),
            denom: "uakt".to_owned(),
            amount: "1000000000000".to_owned(),
        });
        Self { steps, node: Node::new(state, Faults::default(), None), tenant }
    }

    fn step(&self, name: &str) -> &Value {
        self.steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn until(&self, height: u64) {
        while self.node.state().height < height {
            self.node.produce(at(self.node.state().height + 1));
        }
    }

    /// The REST answer of a query, with the recorded status.
    fn query(&self, path: &str, request: &[u8]) -> Value {
        match route(&self.node, path, request, None) {
            Ok(answer) => {
                let (_, output) = json::method(path).unwrap();
                serde_json::json!([200, json::to_json(output, &answer.bytes).unwrap()])
            }
            Err(error) => {
                let body = serde_json::json!({ "code": i32::from(error.code), "message": error.message, "details": [] });
                serde_json::json!([500, body])
            }
        }
    }

    /// Status, vault, ledger and balances are the recorded ones at the recorded height.
    fn looks(&self, name: &str) {
        let recorded = self.step(name);
        self.until(recorded["height"].as_str().unwrap().parse().unwrap());
        assert_eq!(self.query("akash.bme.v1.Query/Status", &[]), recorded["status"], "{name}");
        assert_eq!(self.query("akash.bme.v1.Query/VaultState", &[]), recorded["vault"], "{name}");
        let ledger = QueryLedgerRecordsRequest::default().encode_to_vec();
        assert_eq!(self.query("akash.bme.v1.Query/LedgerRecords", &ledger), recorded["ledger"], "{name}");
        let balances =
            QueryAllBalancesRequest { address: self.tenant.address().to_owned(), ..Default::default() };
        let balances = self.query("cosmos.bank.v1beta1.Query/AllBalances", &balances.encode_to_vec());
        assert_eq!(balances, recorded["balances"], "{name}");
    }

    /// Sends a message; its check and its delivery are the recorded ones.
    fn sends(&self, name: &str, message: Any) {
        let recorded = self.step(name);
        if let Some(height) = recorded["deliver"]["height"].as_u64() {
            self.until(height - 1);
        }
        let state = self.node.state();
        let timeout = state.time
            + time::Duration::MINUTE
            + time::Duration::nanoseconds(i64::from(rand::random::<u32>() >> 2));
        let fee = vec![Coin { denom: "uakt".to_owned(), amount: "10000".to_owned() }];
        let bytes =
            sign_transaction(&self.tenant, &state, vec![message], Ordering::Unordered(timeout), 400_000, fee);
        let checked = self.node.broadcast(&bytes);
        let expected = serde_json::json!([checked.codespace, checked.code, checked.raw_log]);
        assert_eq!(expected, recorded["check"], "{name}");
        let Some(deliver) = recorded.get("deliver") else { return };
        let block = self.node.produce(at(state.height + 1));
        let result = &block.txs[0].result;
        assert_eq!(block.height, deliver["height"].as_u64().unwrap());
        assert_eq!(result.codespace, deliver["codespace"], "{name}");
        assert_eq!(u64::from(result.code), deliver["code"], "{name}");
        assert_eq!(result.raw_log, deliver["raw_log"], "{name}");
        assert_eq!(hex::encode_upper(&result.data), deliver["data_hex"], "{name}");
        // The recording keeps the `message` events only.
        let messages: Vec<Value> = result
            .events
            .iter()
            .filter(|event| event.kind == "message")
            .map(|event| {
                let attributes: serde_json::Map<_, _> =
                    event.attributes.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
                serde_json::json!({ "type": event.kind, "attributes": attributes })
            })
            .collect();
        assert_eq!(Value::from(messages), deliver["events"], "{name}");
        let (used, expected) = (result.gas_used, deliver["gas_used"].as_u64().unwrap());
        assert!(used.abs_diff(expected) <= expected / 4, "{name}: gas {used}, recorded {expected}");
    }

    fn mint(&self, denom: &str, amount: &str) -> Any {
        self.mint_to(self.tenant.address(), denom, amount)
    }

    fn mint_to(&self, to: &str, denom: &str, amount: &str) -> Any {
        let coins = Coin { denom: denom.to_owned(), amount: amount.to_owned() };
        any(&MsgMintAct {
            owner: self.tenant.address().to_owned(),
            to: to.to_owned(),
            coins_to_burn: Some(coins),
        })
    }
}

#[test]
fn minting_and_burning() {
    let act = Act::new();
    act.looks("before any price");
    act.sends("mint without a price", act.mint("uakt", "20000000"));
    act.until(48);
    act.node.operate(&Operator::Price { price: Some("1.25".to_owned()) });
    act.looks("after the first price");
    act.sends("mint 20 AKT at 1.25", act.mint("uakt", "20000000"));
    act.looks("pending");
    act.looks("after the epoch");
    act.sends("mint under the floor", act.mint("uakt", "1000000"));
    act.looks("after the epoch of the mint under the floor");
    act.sends("mint from uact", act.mint("uact", "1000000"));
    act.sends("mint above the balance", act.mint("uakt", "10000000000000000"));
    let other = crate::wallet::module_address("another account");
    act.sends("mint to another account", act.mint_to(&other, "uakt", "20000000"));
    act.sends("mint zero", act.mint("uakt", "0"));
    let owner = act.tenant.address().to_owned();
    let coins = Coin { denom: "uact".to_owned(), amount: "5000000".to_owned() };
    act.sends("burn 5 ACT", any(&MsgBurnAct { owner: owner.clone(), to: owner, coins_to_burn: Some(coins) }));
    act.looks("after the burn");
}
