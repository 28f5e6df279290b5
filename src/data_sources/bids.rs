//! `akash_bids`: who bids on a group, at what price, and what `select` would say to it.

use std::collections::BTreeMap;
use std::time::Duration;

use akash_chain::QueryError;
use akash_proto::akash::market::v1beta5::{Order, bid, order};
use akash_proto::id::{DeploymentId, GroupId, OrderId};
use tfplugin::{Context, DataSource, Diagnostics, Model, Path, Schema, Value, async_trait};
use tokio::time::{Instant, sleep};

use crate::clients::{Clients, Shared};
use crate::duration;
use crate::lifecycle::{
    bid::Bid,
    cost, ids, providers,
    selection::{Policy, Select},
};
use crate::op::{Failure, Op};

/// How often the chain is asked while bids are waited for.
const POLL: Duration = Duration::from_millis(500);

/// How long a read may take, waiting for bids aside.
const READ: Duration = Duration::from_secs(60);

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

/// The bids on a group of a deployment, cheapest first. Of a leased order `bids` holds the winner alone and
/// `other_bids` the rest, so that the answer is stable. For what is gone the lists are empty, with a warning.
#[derive(Debug, Clone, Default, PartialEq, Model)]
pub(crate) struct Bids {
    /// `id` of an `akash_deployment`, or a dseq of the wallet.
    #[model(required)]
    deployment: Value<String>,
    /// The placement's name; by default the only one.
    #[model(optional)]
    group: Value<String>,
    /// How long to wait for a first bid: only while the order is open, has no open bid and is younger than this.
    #[model(optional, validate = duration::check)]
    wait: Value<String>,
    #[model(attribute = Select::attribute())]
    select: Value<Select>,
    /// `open`, `active` (leased) or `closed`; null where there is no order.
    #[model(computed)]
    order_state: Value<String>,
    /// Bids, cheapest first.
    #[model(computed)]
    bids: Value<Vec<BidValue>>,
    /// Bids on a leased order that did not win.
    #[model(computed)]
    other_bids: Value<Vec<BidValue>>,
}

/// One bid.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
struct BidValue {
    /// The provider's address.
    provider: String,
    /// uact per block for the whole group; null where the bid has none that can be paid: `passed_over` then says why.
    price: Option<String>,
    /// USD per month of 438,300 blocks.
    monthly_price: Option<String>,
    /// `open`, `active` (leased), `lost` or `closed`.
    state: String,
    /// The block of the bid.
    created_height: String,
    /// The provider's attributes.
    attributes: BTreeMap<String, String>,
    /// Host name of the provider's gateway.
    host: Option<String>,
    /// Why `select` would pass the bid over; null if it is acceptable.
    passed_over: Option<String>,
}

#[async_trait]
impl DataSource for BidsDataSource {
    type Model = Bids;

    fn type_name(&self) -> &'static str {
        "akash_bids"
    }

    fn schema(&self) -> Schema {
        <Bids as Model>::schema()
    }

    async fn validate(&self, _: &Context, config: &Bids, diagnostics: &mut Diagnostics) {
        if let Some(select) = config.select.known() {
            select.validate(&Path::root("select"), diagnostics);
        }
    }

    async fn read(&self, cx: &Context, config: Bids, diagnostics: &mut Diagnostics) -> Option<Bids> {
        let clients = self.shared.clients().map_err(|failure| failure.tell(diagnostics)).ok()?;
        let wait = config.wait.as_deref().and_then(|text| duration::parse(text).ok()).unwrap_or_default();
        let op = Op::start(clients, cx, READ + wait, &Value::Null);
        let answer = op.run(answer(&op, config, wait)).await;
        op.finish(answer, diagnostics)
    }
}

/// The chain could not be asked.
#[allow(clippy::needless_pass_by_value, reason = "made for `map_err`")]
fn unreadable(error: QueryError) -> Failure {
    Failure::new("The bids can't be read", error.to_string())
}

/// The group by name, or the only group; `None`: there is no such deployment, and a warning has been told.
async fn find_group(op: &Op, id: &DeploymentId, name: Option<&str>) -> Result<Option<GroupId>, Failure> {
    let Some(found) = op.clients.chain.deployment(id).await.map_err(unreadable)? else {
        op.warn(format!("Deployment {} is not on the chain", id.dseq()), "There are no bids on it.");
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
        (None, [(_, id)]) => Some(id),
        (name, groups) => groups.iter().find(|(group, _)| Some(group.as_str()) == name).map(|(_, id)| id),
    };
    found.cloned().map(Some).ok_or_else(|| {
        let names = groups.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Failure::at("group", "No such group", format!("Set `group` to one of {names}."))
    })
}

async fn answer(op: &Op, mut config: Bids, wait: Duration) -> Result<Bids, Failure> {
    let deployment = config.deployment.as_deref().unwrap_or_default();
    let id = ids::deployment(deployment, op.clients.owner.as_deref())
        .map_err(|error| Failure::at("deployment", "Not the id of a deployment", format!("{error}.")))?;
    config.order_state = Value::Null;
    config.bids = Value::Known(Vec::new());
    config.other_bids = Value::Known(Vec::new());
    let Some(group) = find_group(op, &id, config.group.as_deref()).await? else { return Ok(config) };
    let orders = op.clients.chain.orders(&group).await.map_err(unreadable)?;
    let newest = orders
        .into_iter()
        .filter_map(|order| Some((OrderId::try_from(order.id.as_ref()?).ok()?, order)))
        .max_by_key(|(id, _)| id.oseq());
    let Some((id, order)) = newest else { return Ok(config) };
    let state = order::State::try_from(order.state).unwrap_or(order::State::Invalid);
    let found = collect(&op.clients, &id, (&order, state), wait).await.map_err(unreadable)?;

    let policy = Policy::new(config.select.known(), None);
    let leased = state == order::State::Active;
    let (mut bids, mut others) = (Vec::new(), Vec::new());
    for bid in found {
        let list = if leased && bid.state != bid::State::Active { &mut others } else { &mut bids };
        list.push(describe(&op.clients, &policy, &bid).await.map_err(unreadable)?);
    }
    config.order_state = state.as_str_name().into();
    config.bids = Value::Known(bids);
    config.other_bids = Value::Known(others);
    Ok(config)
}

/// The bids, cheapest first. Waits up to `wait` for a first one.
async fn collect(
    clients: &Clients,
    id: &OrderId,
    (order, state): (&Order, order::State),
    wait: Duration,
) -> Result<Vec<Bid>, QueryError> {
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
        if Instant::now() >= until {
            return Ok(bids);
        }
        sleep(POLL).await;
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
