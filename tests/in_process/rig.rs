//! A devnet and a configured provider, and what Terraform does with it: validate, plan, apply, plan again.
//!
//! Configurations are written as JSON objects. What a test does goes through the same RPCs as Terraform's calls, with
//! Terraform's rules for what it sends: `apply` refreshes first, and an apply that succeeded must leave nothing to plan.

use std::time::Duration;

use akash_devnet::{Blocks, Devnet, DevnetConfig, Ports};
use serde_json::{Value as Json, json};
use terraform_provider_akash::AkashProvider;
use tfplugin::testing::{InProcess, Plan, State, in_process};
use tfplugin::{Diagnostics, Dynamic, Severity};

/// The quickstart's SDL: one service `web` with one HTTP port.
pub(crate) const SDL: &str = include_str!("../../examples/quickstart/web.yaml");

/// A devnet with a provider that is configured for it.
pub(crate) struct Rig {
    pub(crate) devnet: Devnet,
    pub(crate) provider: InProcess<AkashProvider>,
    /// Holds the journal for as long as the test runs.
    directory: tempfile::TempDir,
}

/// What came of an apply.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) state: Option<State>,
    pub(crate) told: Diagnostics,
}

impl Applied {
    /// The state of an apply without errors.
    pub(crate) fn ok(self) -> State {
        assert!(!self.told.has_errors(), "{}", text(&self.told));
        self.state.expect("a state")
    }
}

/// A devnet as these tests use it.
pub(crate) fn quick() -> DevnetConfig {
    DevnetConfig {
        ports: Ports::Free,
        block_time: Duration::from_millis(100),
        blocks: Blocks::default(),
        ..DevnetConfig::default()
    }
}

impl Rig {
    /// On a devnet of its own.
    pub(crate) async fn start() -> Self {
        Self::with(quick(), json!({})).await
    }

    /// On a devnet of this configuration; `more` is added to the provider block.
    pub(crate) async fn with(config: DevnetConfig, more: Json) -> Self {
        let devnet = Devnet::start(config).await.unwrap();
        let rig = Self {
            devnet,
            provider: in_process(AkashProvider::default()),
            directory: tempfile::tempdir().unwrap(),
        };
        let told = rig.provider.configure(&dynamic(&rig.block(more))).await.unwrap();
        assert!(!told.has_errors(), "{}", text(&told));
        rig
    }

    /// The next run: another provider process on the same devnet and journal.
    pub(crate) async fn restart(&mut self) {
        self.provider = in_process(AkashProvider::default());
        let told = self.provider.configure(&dynamic(&self.block(json!({})))).await.unwrap();
        assert!(!told.has_errors(), "{}", text(&told));
    }

    /// Has its provider begin to take a lease back.
    pub(crate) async fn reclaim(&self, lease: &State) {
        let id = get(lease, "id");
        let dseq = id.as_str().and_then(|id| id.split('/').nth(1)?.parse().ok()).expect("an id");
        let leases = self.devnet.leases(&self.owner(), dseq);
        let active = leases.into_iter().find(|lease| lease.closed_on == 0).and_then(|lease| lease.id);
        self.devnet.reclaim_lease(&active.expect("a lease that runs"), 10_001).await.unwrap();
    }

    /// The provider block for this devnet, with `more` added or changed.
    pub(crate) fn block(&self, more: Json) -> Json {
        let mut block = json!({
            "endpoints": [self.devnet.grpc_endpoint()],
            "chain_id": self.devnet.chain_id(),
            "mnemonic": self.devnet.mnemonic(),
            "journal_directory": self.directory.path(),
        });
        for (key, value) in more.as_object().cloned().unwrap_or_default() {
            block[key] = value;
        }
        block
    }

    /// The tenant's address.
    pub(crate) fn owner(&self) -> String {
        akash_chain::Wallet::from_mnemonic(&self.devnet.mnemonic().to_owned().into(), 0)
            .unwrap()
            .address()
            .to_owned()
    }

    /// Validates, refreshes what is there, plans, and applies (a replacement is a delete and a create).
    pub(crate) async fn apply(&self, type_name: &str, prior: Option<&State>, config: &Json) -> Applied {
        let config = dynamic(config);
        let told = self.provider.validate(type_name, &config).await.unwrap();
        if told.has_errors() {
            return Applied { state: prior.cloned(), told };
        }
        let prior = match prior {
            Some(prior) => self.refresh(prior).await.state,
            None => None,
        };
        let (state, told) = self.provider.plan_and_apply(type_name, prior.as_ref(), &config).await.unwrap();
        Applied { state, told }
    }

    /// Creates what is not there; errors end the test.
    pub(crate) async fn create(&self, type_name: &str, config: &Json) -> State {
        self.apply(type_name, None, config).await.ok()
    }

    /// A deployment of this SDL and its lease.
    pub(crate) async fn leased(&self, sdl: &str) -> (State, State) {
        let deployment = self.create("akash_deployment", &json!({ "sdl": sdl })).await;
        let lease = self.create("akash_lease", &lease_of(&deployment, json!({}))).await;
        (deployment, lease)
    }

    /// Reads again.
    pub(crate) async fn refresh(&self, state: &State) -> Applied {
        let (state, told) = self.provider.read(state).await.unwrap();
        assert!(!told.has_errors(), "{}", text(&told));
        Applied { state, told }
    }

    /// A plan of what is there (as it is, not read again).
    pub(crate) async fn plan(&self, prior: &State, config: &Json) -> (Plan, Diagnostics) {
        self.provider.plan(&prior.type_name, Some(prior), &dynamic(config)).await.unwrap()
    }

    /// What is there, read again and planned with the same configuration, must come out as it is.
    pub(crate) async fn nothing_to_do(&self, state: &State, config: &Json) {
        let read = self.refresh(state).await.state.expect("still there");
        let (plan, told) = self.plan(&read, config).await;
        assert!(!told.has_errors(), "{}", text(&told));
        assert_eq!(plan.planned, read.value, "the second plan is not empty");
    }

    /// Destroys; errors end the test.
    pub(crate) async fn destroy(&self, state: &State) -> Diagnostics {
        let (plan, mut told) = self.provider.plan_delete(state).await.unwrap();
        assert!(!told.has_errors(), "{}", text(&told));
        let (left, more) = self.provider.apply(&plan).await.unwrap();
        told.extend(more);
        assert!(left.is_none() && !told.has_errors(), "{}", text(&told));
        told
    }
}

/// The configuration of a deployment's lease; `more` is added.
pub(crate) fn lease_of(deployment: &State, more: Json) -> Json {
    let mut config = json!({ "deployment": get(deployment, "id"), "manifest": get(deployment, "manifest") });
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        config[key] = value;
    }
    config
}

/// A configuration as Terraform sends it.
pub(crate) fn dynamic(json: &Json) -> Dynamic {
    serde_json::from_value(json.clone()).unwrap()
}

/// An attribute of a state as JSON.
pub(crate) fn get(state: &State, attribute: &str) -> Json {
    serde_json::to_value(state.value.get(attribute).unwrap_or(&Dynamic::Null)).unwrap()
}

/// All that was told, as text.
pub(crate) fn text(told: &Diagnostics) -> String {
    let line = |one: &tfplugin::Diagnostic| {
        let severity = if one.severity == Severity::Error { "error" } else { "warning" };
        let at = one.path.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
        format!("{severity}{at}: {}\n{}", one.summary, one.detail)
    };
    told.iter().map(line).collect::<Vec<_>>().join("\n")
}
