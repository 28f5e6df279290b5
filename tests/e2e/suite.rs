//! What all cases share: the clients, the provider's binary, the network; and what becomes of a case at its end.

use std::{
    fmt,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
};

use anyhow::{Result, anyhow, bail};
use libtest_mimic::{Completion, Failed, Trial};
use tokio::{runtime::Runtime, sync::OnceCell};
use xtask::{
    client::{Client, Kind},
    workdir::Install,
};

use crate::{
    network::{self, Local, Network},
    workspace::Workspace,
};

/// What a case does.
pub(crate) type Run = fn(Case) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One case: its name and what it does.
pub(crate) struct CaseDefinition {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

/// Names the cases of a module: `cases![name, …]` gives their definitions, each under `MODULE::name`.
#[macro_export]
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::suite::CaseDefinition> {
            vec![$($crate::suite::CaseDefinition {
                name: concat!(module_path!(), "::", stringify!($name)),
                run: |case| Box::pin($name(case)),
            }),*]
        }
    };
}

/// A case that can't be run here, and why. Not a failure.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skip {}

/// What there is once for all cases.
pub(crate) struct Suite {
    runtime: Runtime,
    shared: Arc<Shared>,
    clients: Vec<(Kind, Result<Client, String>)>,
}

struct Shared {
    network: OnceCell<Network>,
    /// Cases must not be in each other's way in the wallet's list of names.
    names: Mutex<u32>,
}

impl Suite {
    pub(crate) fn new() -> Suite {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let clients = Kind::ALL.map(|kind| {
            let found = match Client::find(kind) {
                Ok(Some(client)) => Ok(client),
                Ok(None) => Err(format!("no {kind}")),
                Err(error) => Err(format!("no {kind} ({error:#})")),
            };
            (kind, found)
        });
        let shared = Arc::new(Shared { network: OnceCell::new(), names: Mutex::new(0) });
        Suite { runtime, shared, clients: clients.into() }
    }

    /// Each case under each client.
    pub(crate) fn trials(&self, definitions: Vec<CaseDefinition>) -> Vec<Trial> {
        let mut trials = Vec::new();
        for definition in definitions {
            for (kind, client) in &self.clients {
                let name = definition.name.trim_start_matches("e2e::cases::");
                let client = client.clone();
                let shared = Arc::clone(&self.shared);
                let handle = self.runtime.handle().clone();
                let run = definition.run;
                trials.push(Trial::ignorable_test(format!("{kind}::{name}"), move || {
                    let client = match client {
                        Ok(client) => client,
                        Err(why) => return Ok(Completion::ignored_with(Skip(why))),
                    };
                    let case = Case(Arc::new(Inner {
                        shared,
                        client,
                        workspaces: Mutex::default(),
                        devnets: Mutex::default(),
                    }));
                    handle.block_on(conduct(case, run))
                }));
            }
        }
        trials
    }

    /// Closes what is left in the wallet that was not there before. False if something was left.
    pub(crate) fn finish(self) -> bool {
        let Some(network) = self.shared.network.get().cloned() else { return true };
        let left = self.runtime.block_on(network.sweep());
        match left {
            Ok(0) => true,
            Ok(n) => {
                println!("the suite left {n} deployments active; they are closed now");
                false
            }
            Err(error) => {
                println!("cannot tell whether the suite left deployments active: {error:#}");
                false
            }
        }
    }
}

/// Runs a case in a task of its own, so that its end is seen however it comes, then closes what it created.
async fn conduct(case: Case, run: Run) -> Result<Completion, Failed> {
    let result = match tokio::spawn(run(case.clone())).await {
        Ok(result) => result,
        Err(error) => Err(anyhow!("{}", panic_text(error))),
    };
    let mut problems = Vec::new();
    let mut skipped = None;
    match result {
        Ok(()) => {}
        Err(error) => match error.downcast::<Skip>() {
            Ok(skip) => skipped = Some(skip),
            Err(error) => problems.push(format!("{error:#}")),
        },
    }
    let workspaces = std::mem::take(&mut *case.0.workspaces.lock().unwrap());
    for workspace in workspaces {
        if let Err(error) = workspace.clean().await {
            problems.push(format!("cleaning up: {error:#}"));
        }
        if !problems.is_empty() && std::env::var_os("AKASH_E2E_KEEP").is_some() {
            problems.push(format!("kept: {}", workspace.keep().display()));
        }
    }
    let devnets = std::mem::take(&mut *case.0.devnets.lock().unwrap());
    for devnet in devnets {
        devnet.stop().await;
    }
    match (problems.is_empty(), skipped) {
        (true, None) => Ok(Completion::Completed),
        (true, Some(skip)) => Ok(Completion::ignored_with(skip)),
        (false, _) => Err(Failed::from(problems.join("\n"))),
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "panicked".to_owned()),
        Err(error) => error.to_string(),
    }
}

/// What a case has to do with: its client, the network, workspaces of its own.
#[derive(Clone)]
pub(crate) struct Case(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    client: Client,
    workspaces: Mutex<Vec<Arc<Workspace>>>,
    devnets: Mutex<Vec<Local>>,
}

impl Case {
    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// The network that all cases share.
    pub(crate) async fn network(&self) -> Result<Network> {
        Ok(self.0.shared.network.get_or_try_init(Network::shared).await?.clone())
    }

    /// A devnet of this case's own, for what would disturb others or counts what is sent.
    pub(crate) async fn devnet(&self) -> Result<Network> {
        self.devnet_with(network::local_config()).await
    }

    /// The same, not as it is by default.
    pub(crate) async fn devnet_with(&self, config: akash_devnet::DevnetConfig) -> Result<Network> {
        if network::is_given() {
            bail!(Skip("needs the devnet".to_owned()));
        }
        let local = Local::start(config).await?;
        let network = local.network()?;
        self.0.devnets.lock().unwrap().push(local);
        Ok(network)
    }

    /// An empty workspace on the shared network.
    pub(crate) async fn workspace(&self) -> Result<Arc<Workspace>> {
        self.workspace_on(&self.network().await?, Install::Override)
    }

    /// An empty workspace on a network.
    pub(crate) fn workspace_on(&self, network: &Network, install: Install) -> Result<Arc<Workspace>> {
        let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-akash"));
        let workspace = Arc::new(Workspace::new(&self.0.client, provider, install, network)?);
        self.0.workspaces.lock().unwrap().push(Arc::clone(&workspace));
        Ok(workspace)
    }

    /// A deployment's name that no other case has.
    pub(crate) fn unique(&self, stem: &str) -> String {
        let mut last = self.0.shared.names.lock().unwrap();
        *last += 1;
        format!("{stem}-{}-{}-{last}", self.0.client.kind, std::process::id())
    }
}

/// Ends the case as skipped under the other client.
pub(crate) fn only(case: &Case, kind: Kind, why: &str) -> Result<()> {
    if case.client().kind != kind {
        bail!(Skip(format!("{} {why}", case.client().kind)));
    }
    Ok(())
}
