//! `akash_bids`: who bids on a group, at what price, and what `select` would say to it.

use std::collections::BTreeMap;
use std::time::Duration;

use akash_chain::QueryError;
use akash_proto::akash::market::v1beta5::{Order, bid, order};
use akash_proto::id::{DeploymentId, GroupId, OrderId};
use serde::{Deserialize, Serialize};
use tfplugin::{Attribute, Context, DataSource, Diagnostics, Path, Schema, Type, Value, async_trait};
use tokio::time::Instant;

use crate::clients::{Clients, Shared};
use crate::lifecycle::{
    bid::Bid,
    cost, duration, ids,
    limit::Limit,
    providers,
    selection::{Policy, Select},
};

/// How often the chain is asked while bids are waited for.
const POLL: Duration = Duration::from_millis(500);

/// The data source.
#[derive(Debug)]
pub(crate) struct BidsDataSource {
    shared: Shared,
}

impl BidsDataSource {
    /// The data source over the provider's shared clients.
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

/// Its arguments and what it answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bids {
    deployment: Value<String>,
    group: Value<String>,
    wait: Value<String>,
    select: Value<Select>,
    order_state: Value<String>,
    bids: Value<Vec<BidValue>>,
    other_bids: Value<Vec<BidValue>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct BidValue {
    provider: String,
    price: Option<String>,
    monthly_price: Option<String>,
    state: String,
    created_height: String,
    attributes: BTreeMap<String, String>,
    host: Option<String>,
    passed_over: Option<String>,
}

fn schema() -> Schema {
    let computed = || Attribute::string().computed();
    let bids = |text: &str| {
        Attribute::list_nested([
            ("provider", computed().description("The provider's address.")),
            (
                "price",
                computed().description(
                    "uact per block for the whole group; null where the bid has none that can be paid: `passed_over` \
                     then says why.",
                ),
            ),
            ("monthly_price", computed().description("USD per month of 438,300 blocks.")),
            ("state", computed().description("`open`, `active` (leased), `lost` or `closed`.")),
            ("created_height", computed().description("The block of the bid.")),
            ("attributes", Attribute::map(Type::String).computed().description("The provider's attributes.")),
            ("host", computed().description("Host name of the provider's gateway.")),
            (
                "passed_over",
                computed().description("Why `select` would pass the bid over; null if it is acceptable."),
            ),
        ])
        .computed()
        .description(text)
    };
    Schema::new(
        "The bids on a group of a deployment, cheapest first. Of a leased order `bids` holds the winner alone and \
         `other_bids` the rest, so that the answer is stable. For what is gone the lists are empty, with a warning.",
    )
    .attribute("deployment", Attribute::string().required().description("`id` of an `akash_deployment`, or a dseq of the wallet."))
    .attribute("group", Attribute::string().optional().description("The placement's name; by default the only one."))
    .attribute("wait", Attribute::string().optional().validate(duration::check).description("How long to wait for a first bid: only while the order is open, has no open bid and is younger than this."))
    .attribute("select", Select::attribute())
    .attribute("order_state", computed().description("`open`, `active` (leased) or `closed`; null where there is no order."))
    .attribute("bids", bids("Bids, cheapest first."))
    .attribute("other_bids", bids("Bids on a leased order that did not win."))
}

#[async_trait]
impl DataSource for BidsDataSource {
    type Model = Bids;

    fn type_name(&self) -> &'static str {
        "akash_bids"
    }

    fn schema(&self) -> Schema {
        schema()
    }

    async fn validate(&self, _: &Context, config: &Bids, diagnostics: &mut Diagnostics) {
        if let Some(select) = config.select.known() {
            select.validate(&Path::root("select"), diagnostics);
        }
    }

    async fn read(&self, cx: &Context, config: Bids, diagnostics: &mut Diagnostics) -> Option<Bids> {
        let clients = self.shared.clients(diagnostics)?;
        let at = Path::root("deployment");
        let id = ids::deployment(config.deployment.as_deref().unwrap_or_default(), clients.owner.as_deref())
            .map_err(|error| diagnostics.error_at(&at, "Not the id of a deployment", format!("{error}.")))
            .ok()?;
        match answer(&clients, cx, config, &id, diagnostics).await {
            Ok(bids) => bids,
            Err(error) => {
                diagnostics.error("The bids can't be read", error.to_string());
                None
            }
        }
    }
}

/// The group by name, or the only group; `Ok(None)` with an empty answer's warning or an error told.
async fn find_group(
    clients: &Clients,
    id: &DeploymentId,
    name: Option<&str>,
    diagnostics: &mut Diagnostics,
) -> Result<Option<GroupId>, QueryError> {
    let Some(found) = clients.chain.deployment(id).await? else {
        diagnostics
            .warning(format!("Deployment {} is not on the chain", id.dseq()), "There are no bids on it.");
        return Ok(None);
    };
    let groups: Vec<(String, GroupId)> = found
        .groups
        .iter()
        .filter_map(|group| {
            Some((group.group_spec.as_ref()?.name.clone(), group.id.as_ref()?.try_into().ok()?))
        })
        .collect();
    let found = match (name, groups.as_slice()) {
        (None, [(_, id)]) => Some(id.clone()),
        (name, groups) => {
            groups.iter().find(|(group, _)| Some(group.as_str()) == name).map(|(_, id)| id.clone())
        }
    };
    if found.is_none() {
        let names = groups.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        diagnostics.error_at(
            &Path::root("group"),
            "No such group",
            format!("Set `group` to one of {names}."),
        );
    }
    Ok(found)
}

async fn answer(
    clients: &Clients,
    cx: &Context,
    mut config: Bids,
    id: &DeploymentId,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Bids>, QueryError> {
    config.order_state = Value::Null;
    config.bids = Value::Known(Vec::new());
    config.other_bids = Value::Known(Vec::new());
    let Some(group) = find_group(clients, id, config.group.as_deref(), diagnostics).await? else {
        return Ok((!diagnostics.has_errors()).then_some(config));
    };
    let orders = clients.chain.orders(&group).await?;
    let newest = orders
        .into_iter()
        .filter_map(|order| Some((OrderId::try_from(order.id.as_ref()?).ok()?, order)))
        .max_by_key(|(id, _)| id.oseq());
    let Some((id, order)) = newest else { return Ok(Some(config)) };
    let state = order::State::try_from(order.state).unwrap_or(order::State::Invalid);
    let found = collect(clients, cx, &id, (&order, state), &config).await?;

    let policy = Policy::new(config.select.known(), None);
    let leased = state == order::State::Active;
    let (mut bids, mut others) = (Vec::new(), Vec::new());
    for bid in found {
        let list = if leased && bid.state != bid::State::Active { &mut others } else { &mut bids };
        list.push(describe(clients, &policy, &bid).await?);
    }
    config.order_state = state.as_str_name().into();
    config.bids = Value::Known(bids);
    config.other_bids = Value::Known(others);
    Ok(Some(config))
}

/// The bids, cheapest first. Waits for a first one as long as `wait` allows.
async fn collect(
    clients: &Clients,
    cx: &Context,
    id: &OrderId,
    (order, state): (&Order, order::State),
    config: &Bids,
) -> Result<Vec<Bid>, QueryError> {
    let wait = config.wait.as_deref().and_then(|text| duration::parse(text).ok()).unwrap_or_default();
    let limit = Limit::start(cx.cancel(), wait);
    let mut until = None;
    loop {
        let rows = clients.chain.bids(id).await?;
        let mut bids: Vec<Bid> = rows.iter().filter_map(|row| row.bid.as_ref()).map(Bid::read).collect();
        Bid::sort(&mut bids);
        let waits = state == order::State::Open && !bids.iter().any(|bid| bid.state == bid::State::Open);
        if !waits || wait.is_zero() {
            return Ok(bids);
        }
        // Counted from the order's block, so that a plan does not wait each time for an order that nobody wants.
        let until = match until {
            Some(until) => until,
            None => *until.insert(Instant::now() + wait.saturating_sub(age(clients, order).await?)),
        };
        if Instant::now() >= until || !limit.sleep(POLL).await {
            return Ok(bids);
        }
    }
}

/// How old an order is in block time.
async fn age(clients: &Clients, order: &Order) -> Result<Duration, QueryError> {
    let latest = clients.chain.latest_block().await?;
    let created = u64::try_from(order.created_at).unwrap_or(0);
    match clients.chain.block_time(created).await {
        Ok(time) => Ok(Duration::from_secs(u64::try_from((latest.time - time).whole_seconds()).unwrap_or(0))),
        // The node has dropped that block, so it is old.
        Err(_) => Ok(Duration::MAX),
    }
}

async fn describe(clients: &Clients, policy: &Policy, bid: &Bid) -> Result<BidValue, QueryError> {
    let provider = match &bid.id {
        Ok(id) => clients.chain.recent_provider(id.provider()).await?,
        Err(_) => None,
    };
    let price = bid.price.as_ref().ok();
    Ok(BidValue {
        passed_over: policy.judge(bid).err(),
        price: price.map(ToString::to_string),
        monthly_price: price.and_then(|price| cost::per_month(*price)).map(|price| price.to_string()),
        state: bid.state.as_str_name().to_owned(),
        created_height: bid.made.to_string(),
        attributes: provider.as_ref().map(providers::attributes).unwrap_or_default(),
        host: provider.as_ref().map(providers::host),
        provider: bid.provider.clone(),
    })
}
