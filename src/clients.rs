//! The clients that all resources and data sources share, built once from the provider's configuration.
//!
//! [`Shared`] is empty until Terraform configures the provider; [`connect`] fills it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use akash_chain::{Chain, ChainConfig, GasPrice, QueryError, Wallet};
use akash_gateway::{ChainTrust, GatewayClient, SignError, TokenSigner, TrustError};
use secrecy::{ExposeSecret, SecretString};
use tfplugin::{ClientInfo, Context, Diagnostics, Value, async_trait};
use tokio::io::AsyncReadExt as _;

use crate::concurrent::{Lookups, closing::Closing, leasing::Leasing};
use crate::config::{self, Mnemonic, Settings, setting_error};
use crate::failure::Failure;
use crate::journal::Journal;
use crate::kill;

/// What every resource and data source works with, once the provider is configured.
pub(crate) struct Clients {
    /// The chain.
    pub(crate) chain: Chain,
    /// Providers' gateways.
    pub(crate) gateway: GatewayClient,
    /// The chain's id, as its nodes say.
    pub(crate) chain_id: String,
    /// The preset's name, if one was chosen.
    pub(crate) network: Option<&'static str>,
    /// The wallet's address, or the one for read-only use.
    pub(crate) owner: Option<String>,
    /// Where deposits come from, in order: `balance`, `grant`.
    pub(crate) deposit_sources: Vec<String>,
    /// The reason of resources that give none.
    pub(crate) reason: Option<String>,
    /// The leases that are being created.
    pub(crate) leasing: Leasing,
    /// What is being closed.
    pub(crate) closing: Closing,
    /// Whether plans look who could bid.
    pub(crate) supply: Lookups,
    /// What was about to be sent, by this process and by earlier ones.
    pub(crate) journal: Journal,
    /// Held while ACT is minted or burnt: who looks at the balance must see what the one before has done.
    pub(crate) minting: tokio::sync::Mutex<()>,
}

impl Clients {
    /// Refuses to touch a resource of another chain: its absence here would mean nothing.
    pub(crate) fn same_chain(&self, recorded: &Value<String>) -> Result<(), Failure> {
        let Some(recorded) = recorded.as_deref().filter(|recorded| *recorded != self.chain_id) else {
            return Ok(());
        };
        Err(Failure::new(
            "The resource is on another chain",
            format!(
                "State says chain `{recorded}`, the provider is configured for `{}`. Nothing was read or changed. Configure \
                 the provider for `{recorded}`, or remove the resource from state if it is to be forgotten.",
                self.chain_id
            ),
        ))
    }

    /// Refuses to change what belongs to another wallet.
    pub(crate) fn same_owner(&self, owner: Option<&str>) -> Result<(), Failure> {
        let (Some(owner), Some(wallet)) = (owner, self.owner.as_deref()) else { return Ok(()) };
        if owner == wallet {
            return Ok(());
        }
        Err(Failure::new(
            "The resource belongs to another wallet",
            format!(
                "Its owner is {owner}, the configured wallet is {wallet}, which can read it but not change it."
            ),
        ))
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("chain_id", &self.chain_id)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Shared by all resources: empty until Terraform configures the provider.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<RwLock<State>>);

/// How far the configuration has come.
#[derive(Debug, Default)]
pub(crate) enum State {
    /// Terraform has not configured the provider yet.
    #[default]
    Unconfigured,
    /// In a plan: this argument depends on something that is not there yet.
    Unknown(&'static str),
    /// There they are.
    Ready(Arc<Clients>),
}

impl Shared {
    pub(crate) fn set(&self, state: State) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The clients.
    pub(crate) fn clients(&self) -> Result<Arc<Clients>, Failure> {
        Err(match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            State::Ready(clients) => return Ok(clients.clone()),
            State::Unknown(argument) => Failure::new(
                "The provider's configuration is not known yet",
                format!(
                    "`{argument}` of provider \"akash\" comes from something that this run has yet to create, so the \
                     chain can't be asked. Create that first (`-target`), or set `{argument}` to a value that is \
                     known in the plan."
                ),
            ),
            State::Unconfigured => Failure::new(
                "The provider is not configured",
                "Terraform has not configured provider \"akash\" before using it.",
            ),
        })
    }

    /// The clients, for a resource that was last read on this chain at this height: answers from below it do not count.
    /// That the chain is the same comes first, because heights of another mean nothing here.
    pub(crate) fn clients_at(
        &self,
        chain_id: &Value<String>,
        height: Option<u64>,
    ) -> Result<Arc<Clients>, Failure> {
        let clients = self.clients()?;
        clients.same_chain(chain_id)?;
        clients.chain.remember_height(height.unwrap_or(0));
        Ok(clients)
    }

    /// The clients, if they are there. For what a plan may do with or without.
    pub(crate) fn ready(&self) -> Option<Arc<Clients>> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            State::Ready(clients) => Some(clients.clone()),
            _ => None,
        }
    }

    /// Whether the configuration depends on something that is not there yet.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(&*self.0.read().unwrap_or_else(PoisonError::into_inner), State::Unknown(_))
    }
}

/// Tells providers' certificates from the chain's own word.
struct CertificatesOnChain(Chain);

#[async_trait]
impl ChainTrust for CertificatesOnChain {
    async fn valid_certificates(&self, provider: &str) -> Result<Vec<Vec<u8>>, TrustError> {
        self.0.certificates(provider).await.map_err(|error| TrustError(error.to_string()))
    }
}

/// Signs gateway tokens with the wallet.
struct WalletSigner(Wallet);

impl TokenSigner for WalletSigner {
    fn address(&self) -> &str {
        self.0.address()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message))
    }
}

/// Builds the clients and asks the chain once whether it is the one that is meant.
pub(crate) async fn connect(
    cx: &Context,
    settings: Settings,
    client: &ClientInfo,
    diagnostics: &mut Diagnostics,
) -> Option<Clients> {
    let wallet = match settings.mnemonic {
        Some(mnemonic) => Some(wallet(mnemonic, settings.account_index, diagnostics).await?),
        None => None,
    };
    if let (Some(wallet), Some(address)) = (&wallet, &settings.wallet_address)
        && wallet.address() != address.value
    {
        setting_error(
            address.from,
            "Another wallet",
            format!(
                "`{}` is {}, but the mnemonic with account_index {} is the wallet {}. Correct the one that is wrong.",
                address.from,
                address.value,
                settings.account_index,
                wallet.address()
            ),
            diagnostics,
        );
        return None;
    }
    let user_agent = user_agent(&client.terraform_version);
    let owner = wallet
        .as_ref()
        .map(|wallet| wallet.address().to_owned())
        .or(settings.wallet_address.map(|given| given.value));
    let journal = Journal::new(settings.journal_directory);
    let defaults = ChainConfig::default();
    let chain = Chain::new(ChainConfig {
        endpoints: settings.endpoints.value,
        chain_id: settings.chain_id.as_ref().map(|given| given.value.clone()),
        account: wallet.clone().map(Into::into),
        gas_price: settings.gas_price.map(|amount| GasPrice { amount, denom: "uakt".into() }),
        gas_adjustment: settings.gas_adjustment,
        max_fee: settings.max_fee,
        fee_granter: settings.fee_granter,
        read_timeout: defaults.read_timeout,
        tx_timeout: settings.transaction_timeout.unwrap_or(defaults.tx_timeout),
        user_agent: user_agent.clone(),
        journal: Some(kill::around(Arc::new(journal.clone()))),
    });
    let chain = match chain {
        Ok(chain) => chain,
        Err(error) => {
            let setting = error.setting().unwrap_or(settings.endpoints.from);
            setting_error(setting, "The chain's client can't be set up", error.to_string(), diagnostics);
            return None;
        }
    };
    let checked = tokio::select! {
        checked = chain.check() => checked,
        () = cx.cancel().cancelled() => {
            diagnostics.error("Stopped", "Stopped while the chain was asked for its id. Nothing was changed.");
            return None;
        }
    };
    let chain_id = match checked {
        Ok(network) => network.chain_id.clone(),
        Err(error) => {
            let another = matches!(error, QueryError::ChainId { .. });
            // What says which chain is meant is at odds with what says where it is.
            let meant = settings.chain_id.filter(|_| another).map(|given| given.from);
            let setting = meant.unwrap_or(settings.endpoints.from);
            let summary = if another { "Another chain" } else { "No node of the chain answers" };
            setting_error(setting, summary, error.to_string(), diagnostics);
            return None;
        }
    };
    let journal = journal.of_chain(&chain_id);
    let signer = wallet.map(|wallet| Arc::new(WalletSigner(wallet)) as Arc<dyn TokenSigner>);
    let gateway = GatewayClient::new(Arc::new(CertificatesOnChain(chain.clone())), signer, user_agent);
    Some(Clients {
        chain,
        gateway,
        chain_id,
        network: settings.network,
        owner,
        deposit_sources: settings.deposit_sources,
        reason: settings.reason,
        leasing: Leasing::default(),
        closing: Closing::default(),
        supply: Lookups::default(),
        journal,
        minting: tokio::sync::Mutex::default(),
    })
}

/// The wallet of the words, wherever they are.
async fn wallet(mnemonic: Mnemonic, account_index: u32, diagnostics: &mut Diagnostics) -> Option<Wallet> {
    let (words, setting) = match mnemonic {
        Mnemonic::Words(words, setting) => (words, setting),
        Mnemonic::File(path, setting) => match read_words(&path).await {
            Ok(words) => (words, setting),
            Err(why) => {
                let detail = format!("`{}` {why}.", path.display());
                setting_error(setting, "The mnemonic's file can't be read", detail, diagnostics);
                return None;
            }
        },
    };
    match Wallet::from_mnemonic(&words, account_index) {
        Ok(wallet) => Some(wallet),
        Err(error) => {
            setting_error(setting, "The mnemonic is not valid", format!("{error}."), diagnostics);
            None
        }
    }
}

/// The most that a mnemonic's file may hold, in bytes: 24 words are less than 250.
const MOST_WORDS: u64 = 4096;

/// What is in a mnemonic's file, or why it is not one. What a path names besides files may have no end (a device) or
/// make who opens it wait (a pipe), so that is asked first.
async fn read_words(path: &std::path::Path) -> Result<SecretString, String> {
    let unreadable = |error: std::io::Error| format!("can't be read: {error}");
    let kind = tokio::fs::metadata(path).await.map_err(unreadable)?;
    if !kind.is_file() {
        return Err("is not a regular file".into());
    }
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut words = String::new();
    file.take(MOST_WORDS + 1).read_to_string(&mut words).await.map_err(unreadable)?;
    let words = SecretString::from(words);
    if words.expose_secret().len() as u64 > MOST_WORDS {
        return Err(format!("has more than {MOST_WORDS} bytes in it, which no mnemonic has"));
    }
    Ok(words)
}

/// `terraform-provider-akash/VERSION terraform/VERSION`, with what `TF_APPEND_USER_AGENT` adds.
fn user_agent(terraform_version: &str) -> String {
    let mut agent = format!("terraform-provider-akash/{}", env!("CARGO_PKG_VERSION"));
    if !terraform_version.is_empty() {
        agent.push_str(&format!(" terraform/{terraform_version}"));
    }
    if let Some(more) = config::process_environment("TF_APPEND_USER_AGENT") {
        agent.push_str(&format!(" {more}"));
    }
    agent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_small_regular_file_holds_words() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("words"), "abandon about\n").unwrap();
        std::fs::write(at("long"), "a".repeat(4097)).unwrap();
        std::fs::write(at("binary"), [0xff, 0xfe]).unwrap();
        assert_eq!(read_words(&at("words")).await.unwrap().expose_secret(), "abandon about\n");
        let mut refused = vec![
            (at("absent"), "can't be read"),
            (at("long"), "more than 4096 bytes"),
            (at("binary"), "can't be read"),
            (directory.path().to_owned(), "not a regular file"),
        ];
        #[cfg(unix)]
        {
            let pipe = std::process::Command::new("mkfifo").arg(at("pipe")).status();
            assert!(pipe.is_ok_and(|status| status.success()));
            refused.push((at("pipe"), "not a regular file"));
            refused.push(("/dev/zero".into(), "not a regular file"));
        }
        for (path, words) in refused {
            let told = tokio::time::timeout(std::time::Duration::from_secs(5), read_words(&path)).await;
            let why = told.expect("it does not wait").err().unwrap_or_default();
            assert!(why.contains(words), "{}: {why}", path.display());
        }
    }
}
