//! Tests against real exchanges with a real node (`testdata/`).

use std::collections::BTreeSet;

use akash_proto::{
    Any, Coin, Message,
    akash::{
        bme, cert, deployment::v1beta4 as deployment, market::v1beta5 as market,
        provider::v1beta4 as provider,
    },
    cosmos::{
        auth::v1beta1 as auth, bank::v1beta1 as bank, base::node::v1beta1 as node, tx::v1beta1::SignDoc,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde_json::Value;

use crate::{
    ChainError, Kind, Wallet,
    error_table::REGISTERED,
    message_index,
    nodes::carriers::{rest, transcode},
    tx::Draft,
};

fn recordings() -> Value {
    serde_json::from_str(include_str!("../../../testdata/recordings.json")).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
    STANDARD.decode(value[key].as_str().unwrap()).unwrap()
}

fn number(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap()
}

fn wallet(recordings: &Value, name: &str) -> Wallet {
    let words = SecretString::from(text(&recordings["wallets"][name], "mnemonic"));
    Wallet::from_mnemonic(&words, 0).unwrap()
}

#[test]
fn wallets() {
    let recordings = recordings();
    for (name, expected) in recordings["wallets"].as_object().unwrap() {
        let wallet = wallet(&recordings, name);
        assert_eq!(wallet.address(), text(expected, "address"));
        assert_eq!(wallet.public_key().as_slice(), bytes(expected, "pubkey_b64"));
    }
}

#[test]
fn signing_byte_for_byte() {
    let recordings = recordings();
    let entries = recordings["signing"].as_array().unwrap();
    assert!(entries.len() >= 32);
    for entry in entries {
        let wallet = wallet(&recordings, text(entry, "signer"));
        let messages = entry["messages_any_b64"].as_array().unwrap().iter();
        let draft = Draft {
            messages: messages
                .map(|any| Any { type_url: text(any, "type_url").into(), value: bytes(any, "value") })
                .collect(),
            unordered: entry["unordered"].as_bool().unwrap(),
            sequence: number(entry, "sequence").try_into().unwrap(),
            timeout: number(entry, "timeout_timestamp_ns"),
            gas: number(entry, "gas_limit").try_into().unwrap(),
            fee: Coin::new(number(entry, "fee_uakt").try_into().unwrap(), "uakt"),
            fee_granter: None,
        };
        let name = text(entry, "name");
        assert_eq!(text(entry, "memo"), "", "{name}");
        let (chain_id, account) =
            (text(entry, "chain_id"), number(entry, "account_number").try_into().unwrap());
        let sign_doc = draft.sign_doc(wallet.public_key(), chain_id, account);
        assert_eq!(sign_doc, bytes(entry, "sign_doc_b64"), "{name}");
        assert!(SignDoc::decode(sign_doc.as_slice()).is_ok());
        let signed = draft.sign(&wallet, chain_id, account);
        assert_eq!(signed.bytes, bytes(entry, "tx_raw_b64"), "{name}");
        assert_eq!(signed.hash, text(entry, "txhash"), "{name}");
        assert_eq!(draft.unsigned(wallet.public_key()).len(), signed.bytes.len(), "{name}");
    }
}

/// Decodes, encodes again, and compares: nothing of the message is unknown to us.
fn whole<M: Message + Default>(bytes: &[u8]) -> bool {
    M::decode(bytes).is_ok_and(|message| message.encode_to_vec() == bytes)
}

type Check = fn(&[u8]) -> bool;

fn pair<Q: Message + Default, R: Message + Default>() -> (Check, Check) {
    (whole::<Q>, whole::<R>)
}

#[test]
fn queries_decode_whole() {
    let recordings = recordings();
    let mut seen = BTreeSet::new();
    for entry in recordings["queries"].as_array().unwrap() {
        let name = text(entry, "name");
        let Some(path) = entry["path"].as_str() else {
            assert_eq!(name, "discovery", "only this one was asked over REST alone");
            continue;
        };
        let check = match path {
            "/akash.market.v1beta5.Query/Bids" => {
                pair::<market::QueryBidsRequest, market::QueryBidsResponse>()
            }
            "/akash.market.v1beta5.Query/Bid" => pair::<market::QueryBidRequest, market::QueryBidResponse>(),
            "/akash.market.v1beta5.Query/Orders" => {
                pair::<market::QueryOrdersRequest, market::QueryOrdersResponse>()
            }
            "/akash.market.v1beta5.Query/Leases" => {
                pair::<market::QueryLeasesRequest, market::QueryLeasesResponse>()
            }
            "/akash.market.v1beta5.Query/Params" => {
                pair::<market::QueryParamsRequest, market::QueryParamsResponse>()
            }
            "/akash.deployment.v1beta4.Query/Deployment" => {
                pair::<deployment::QueryDeploymentRequest, deployment::QueryDeploymentResponse>()
            }
            "/akash.deployment.v1beta4.Query/Deployments" => {
                pair::<deployment::QueryDeploymentsRequest, deployment::QueryDeploymentsResponse>()
            }
            "/akash.deployment.v1beta4.Query/Group" => {
                pair::<deployment::QueryGroupRequest, deployment::QueryGroupResponse>()
            }
            "/akash.deployment.v1beta4.Query/Params" => {
                pair::<deployment::QueryParamsRequest, deployment::QueryParamsResponse>()
            }
            "/akash.provider.v1beta4.Query/Providers" => {
                pair::<provider::QueryProvidersRequest, provider::QueryProvidersResponse>()
            }
            "/akash.provider.v1beta4.Query/Provider" => {
                pair::<provider::QueryProviderRequest, provider::QueryProviderResponse>()
            }
            "/akash.cert.v1.Query/Certificates" => {
                pair::<cert::v1::QueryCertificatesRequest, cert::v1::QueryCertificatesResponse>()
            }
            "/akash.bme.v1.Query/Params" => {
                pair::<bme::v1::QueryParamsRequest, bme::v1::QueryParamsResponse>()
            }
            "/akash.bme.v1.Query/Status" => {
                pair::<bme::v1::QueryStatusRequest, bme::v1::QueryStatusResponse>()
            }
            "/cosmos.auth.v1beta1.Query/Account" => {
                pair::<auth::QueryAccountRequest, auth::QueryAccountResponse>()
            }
            "/cosmos.bank.v1beta1.Query/AllBalances" => {
                pair::<bank::QueryAllBalancesRequest, bank::QueryAllBalancesResponse>()
            }
            "/cosmos.base.node.v1beta1.Service/Config" => pair::<node::ConfigRequest, node::ConfigResponse>(),
            other => panic!("{name}: no type for {other}"),
        };
        let (request, response) = check;
        assert!(request(&bytes(entry, "request_b64")), "{name}: request");
        match entry.get("error") {
            Some(error) => {
                let error = text(error, "message");
                let parsed = ChainError::from_query(error).map(|error| (error.codespace, error.code));
                let expected = match name {
                    "deployment not found" => Some(("deployment".to_owned(), 4)),
                    "bme status" => Some(("oracle.v2".to_owned(), 4)),
                    _ => None,
                };
                assert_eq!(parsed, expected, "{name}: {error}");
            }
            None => assert!(response(&bytes(entry, "response_b64")), "{name}: response"),
        }
        seen.insert(path.to_owned());
    }
    assert!(seen.len() >= 15);
}

#[test]
fn rejections_from_text_and_from_codes() {
    let recordings = recordings();
    for entry in recordings["rejections"].as_array().unwrap() {
        let name = text(entry, "name");
        let result = match &entry["deliver"] {
            Value::Null => &entry["check_tx"],
            deliver => deliver,
        };
        let (codespace, code) = (text(result, "codespace"), u32::try_from(number(result, "code")).unwrap());
        assert_ne!(code, 0, "{name}");
        let definite = ChainError::new(codespace, code, text(result, "raw_log"));
        assert_eq!((definite.codespace.as_str(), definite.code), (codespace, code), "{name}");
        let known = ["cpu above the limit", "dseq zero"];
        assert_eq!(definite.kind() == Kind::Other, known.contains(&name), "{name}: {:?}", definite.kind());
        let Some(simulated) = entry.get("simulate_error") else { continue };
        let message = text(simulated, "message");
        let index = message_index(message);
        let expected = message
            .contains("message index: 1")
            .then_some(1)
            .or(message.contains("message index: 0").then_some(0));
        assert_eq!(index, expected, "{name}");
        let type_url = format!("/{}", entry["messages"][index.unwrap_or(0)].as_str().unwrap());
        let from_text = ChainError::from_text(message, Some(&type_url));
        assert_eq!(from_text, definite, "{name}: {message}");
        // As real nodes write it, with the source position that the recordings leave out.
        let real = message.replace(" with gas used", " [akash/node@v2.1.0/x/module.go:146] with gas used");
        assert_eq!(ChainError::from_text(&real, Some(&type_url)), definite, "{name}: {real}");
    }
}

#[test]
fn the_error_table_is_the_networks() {
    let errors: Value = serde_json::from_str(include_str!("../../../testdata/errors.json")).unwrap();
    let errors = errors.as_array().unwrap();
    let theirs: BTreeSet<_> = errors
        .iter()
        .map(|error| (text(error, "codespace"), number(error, "code"), text(error, "text")))
        .collect();
    let ours = REGISTERED.iter().filter(|row| !["sdk", "feegrant"].contains(&row.codespace));
    let ours: BTreeSet<_> = ours.map(|row| (row.codespace, i64::from(row.code), row.text)).collect();
    assert_eq!(ours, theirs);
    assert!(REGISTERED.is_sorted_by_key(|row| (row.codespace, row.code)));
}

#[test]
fn equal_texts_are_told_apart_by_the_message() {
    for (text, message, expected) in [
        (
            "failed to execute message; message index: 0: Group not found",
            "deployment.v1beta4.MsgPauseGroup",
            ("deployment", 14),
        ),
        (
            "failed to execute message; message index: 0: group not found",
            "market.v1beta5.MsgCreateLease",
            ("market", 16),
        ),
        ("x: invalid address", "cert.v1.MsgCreateCertificate", ("cert", 2)),
        ("x: invalid address", "deployment.v1beta4.MsgCreateDeployment", ("sdk", 7)),
        ("internal error", "market.v1beta5.MsgCreateLease", ("market", 3)),
        ("account overdrawn", "market.v1beta5.MsgCreateLease", ("escrow", 4)),
        ("something nobody registered", "market.v1beta5.MsgCreateLease", ("undefined", 1)),
    ] {
        let error = ChainError::from_text(text, Some(&format!("/akash.{message}")));
        assert_eq!((error.codespace.as_str(), error.code), expected, "{text}");
    }
}

/// The ledger of a real chain, as its REST address shows it.
#[test]
fn what_was_minted_and_burnt_is_read_from_the_ledger() {
    let recordings: Value =
        serde_json::from_str(include_str!("../../../testdata/recordings-act.json")).unwrap();
    let steps = recordings.as_array().unwrap();
    let ledger = |name: &str| {
        let step = steps.iter().find(|step| text(step, "name") == name).unwrap();
        let message =
            transcode::answer("/akash.bme.v1.Query/LedgerRecords", step["ledger"][1].clone()).unwrap();
        bme::v1::QueryLedgerRecordsResponse::decode(message.as_slice()).unwrap().records
    };
    for (name, asked) in [
        ("before any price", &[][..]),
        ("pending", &["53 20000000uakt"]),
        ("after the epoch", &["53 20000000uakt"]),
        ("after the epoch of the mint under the floor", &["53 20000000uakt", "60 1000000uakt"]),
        ("after the burn", &["79 5000000uact", "53 20000000uakt", "60 1000000uakt"]),
    ] {
        let records = ledger(name);
        let found: Vec<_> = records
            .iter()
            .map(|record| {
                format!("{} {}", record.id.as_ref().unwrap().height, crate::requested_coin(record).unwrap())
            })
            .collect();
        assert_eq!(found, asked, "{name}");
    }
}

#[test]
fn rest_json_is_the_same_message() {
    let recordings = recordings();
    let mut count = 0;
    for entry in recordings["queries"].as_array().unwrap() {
        let (name, Some(rest_path)) = (text(entry, "name"), entry["rest_path"].as_str()) else { continue };
        let Some(path) = entry["path"].as_str() else {
            let message =
                transcode::answer("/akash.discovery.v1.Discovery/GetInfo", entry["rest_json"].clone())
                    .unwrap();
            let info =
                akash_proto::akash::discovery::v1::GetInfoResponse::decode(message.as_slice()).unwrap().info;
            assert_eq!(info.unwrap().chain_id, "local");
            continue;
        };
        let (ours, query) = rest::url_of(path, &bytes(entry, "request_b64")).unwrap();
        let query = query.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&");
        let ours = if query.is_empty() { ours } else { format!("{ours}?{query}") };
        assert_eq!(ours, rest_path, "{name}");
        if entry["rest_status"] == 200 {
            let message = transcode::answer(path, entry["rest_json"].clone()).unwrap();
            assert_eq!(message, bytes(entry, "response_b64"), "{name}");
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}
