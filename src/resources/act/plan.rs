//! Plans of an `akash_act`: functions of configuration, prior state and prior private state alone. What a mint takes and
//! what stands in its way is told here, before anything is spent.

use akash_proto::Dec;
use tfplugin::{Diagnostics, Path, PlanUpdate, Value};

use super::ActResource;
use super::model::{Act, Gate, Goal, Seen, act, akt};

/// Checks the configuration; values may be unknown.
pub(super) fn validate(config: &Act, diagnostics: &mut Diagnostics) {
    if let Some(goal) = config.goal()
        && goal.target < goal.minimum
    {
        diagnostics.error_at(
            &Path::root("target"),
            "`target` is below `minimum`",
            format!(
                "After a mint up to {} the wallet would hold less than {}, and every plan would mint again. Leave \
                 `target` out, or set it to `minimum` or more.",
                act(goal.target),
                act(goal.minimum)
            ),
        );
    }
}

/// Plans a change: a mint, going on with one that is in the queue, or nothing but new arguments.
pub(super) fn update(plan: &mut PlanUpdate<ActResource>, diagnostics: &mut Diagnostics) {
    let mut sends = false;
    if plan.private.pending.is_some() || plan.private.queued.is_some() {
        sends = true;
        diagnostics.warning(
            "A mint is on its way",
            "An earlier apply sent it and did not see its end. This one waits for the same mint and sends another only \
             if that never came into a block.",
        );
    } else {
        match (plan.config.goal(), &plan.private.seen) {
            (None, _) => sends = true,
            (Some(goal), Some(seen)) if seen.missing(goal).is_some() => {
                sends = true;
                tell_mint(seen, goal, diagnostics);
            }
            (Some(_), _) if plan.prior.minimum.is_null() => diagnostics.warning(
                "Imported: this plan sends nothing",
                "The wallet holds enough. The update only records `minimum` and the other arguments in state.",
            ),
            _ => {}
        }
    }
    if sends {
        plan.planned.balance = Value::Unknown;
        plan.planned.receipts = Value::Unknown;
    }
}

/// Warns of what a mint takes, and of what stands in its way: money is spent.
pub(super) fn tell_mint(seen: &Seen, goal: Goal, diagnostics: &mut Diagnostics) {
    let Some(missing) = seen.missing(goal) else { return };
    let held = match seen.coming {
        0 => format!("The wallet holds {}", act(seen.balance)),
        coming => {
            format!("The wallet holds {}, and {} are in the chain's queue", act(seen.balance), act(coming))
        }
    };
    let held = format!("{held}; `minimum` is {}.", act(goal.minimum));
    let (Gate::Open | Gate::Slow, Some(mint)) = (&seen.gate, seen.terms.mint(missing)) else {
        let why = obstacle(&seen.gate).unwrap_or_else(|| "There is no price of AKT.".into());
        let detail = format!("{held} {why}");
        return diagnostics.warning("ACT is to be minted, which is not possible now", detail);
    };
    let mut detail = format!(
        "{held} Up to `target` ({}) {} are missing. At {} USD for 1 AKT that takes {}, with the chain's spread of {} % \
         and 2 % for a price that moves until the next epoch (every {} blocks, about a minute).",
        act(goal.target),
        act(missing),
        seen.terms.price,
        akt(mint.burn),
        percent(seen.terms.spread_bps),
        seen.terms.epoch_blocks
    );
    if missing < seen.terms.floor {
        detail.push_str(&format!(
            " The chain mints no less than {} at once, so the balance goes up to about {}, above `target`.",
            act(seen.terms.floor),
            act(seen.balance.saturating_add(seen.coming).saturating_add(mint.gives))
        ));
    }
    if seen.akt < mint.burn {
        detail.push_str(&format!(
            " The wallet holds only {}: send it at least {} more, and some for the fee, before this is applied.",
            akt(seen.akt),
            akt(mint.burn - seen.akt)
        ));
    }
    if let Some(obstacle) = obstacle(&seen.gate) {
        detail.push_str(&format!(" {obstacle}"));
    }
    diagnostics.warning(format!("About {} are minted from {}", act(mint.gives), akt(mint.burn)), detail);
}

/// What stands in the way of a mint, in sentences; also what only slows it down.
pub(super) fn obstacle(gate: &Gate) -> Option<String> {
    Some(match gate {
        Gate::Open => return None,
        Gate::Slow => {
            "The vault is short of AKT, so the network carries mints out less often than that: it may take \
                       long."
                .into()
        }
        Gate::CircuitBreaker { ratio, halt } => format!(
            "The network's circuit breaker is on: the AKT in its vault is worth {ratio} USD for each ACT there is; below \
             {halt} nothing is minted. That passes when AKT rises or ACT is burnt; this wallet can't change it. \
             ACT that is there already can be used meanwhile: deployments, deposits and leases go on."
        ),
        Gate::OracleStale { why } => format!(
            "The network's oracle has no price of AKT that may be used (\"{why}\"), so it converts nothing at present, \
             neither way. That usually passes within minutes. ACT that is there already can be used meanwhile."
        ),
    })
}

/// 25 of 10000 as `0.25`.
fn percent(bps: u32) -> String {
    Dec::from_scaled(i128::from(bps) * 10_000_000_000_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::amount::Terms;
    use super::super::model::{Private, Queued};
    use super::*;

    fn seen(balance: u128) -> Seen {
        Seen {
            balance,
            akt: 100_000_000,
            coming: 0,
            terms: Terms { price: "1.25".into(), floor: 10_000_000, spread_bps: 25, epoch_blocks: 10 },
            gate: Gate::Open,
        }
    }

    fn config(minimum: &str, target: Option<&str>) -> Act {
        Act { minimum: minimum.into(), target: target.map_or(Value::Null, Value::from), ..Act::default() }
    }

    fn prior(config: &Act) -> Act {
        Act {
            id: "akash1x".into(),
            owner: "akash1x".into(),
            chain_id: "devnet-1".into(),
            balance: "25000000".into(),
            receipts: Value::Known(vec!["{}".into()]),
            ..config.clone()
        }
    }

    /// The plan as the framework starts it.
    fn plan(prior: &Act, private: Private, config: &Act) -> (PlanUpdate<ActResource>, Diagnostics) {
        let planned = Act {
            id: prior.id.clone(),
            owner: prior.owner.clone(),
            chain_id: prior.chain_id.clone(),
            balance: prior.balance.clone(),
            receipts: prior.receipts.clone(),
            ..config.clone()
        };
        let mut plan = PlanUpdate::<ActResource> {
            config: config.clone(),
            prior: prior.clone(),
            planned,
            private,
            replace: Vec::new(),
        };
        let mut diagnostics = Diagnostics::new();
        update(&mut plan, &mut diagnostics);
        (plan, diagnostics)
    }

    fn read(balance: u128) -> Private {
        Private { seen: Some(seen(balance)), ..Private::default() }
    }

    fn text(diagnostics: &Diagnostics) -> String {
        diagnostics.iter().map(|one| format!("{}: {}\n", one.summary, one.detail)).collect()
    }

    #[test]
    fn enough_is_no_change_whatever_the_balance() {
        let config = config("20000000uact", Some("30000000uact"));
        let prior = prior(&config);
        for balance in [20_000_000, 24_000_000, 1_000_000_000] {
            let (plan, diagnostics) = plan(&prior, read(balance), &config);
            assert_eq!(plan.planned, prior);
            assert!(diagnostics.is_empty());
        }
        // Never read, as with -refresh=false after an import.
        assert_eq!(plan(&prior, Private::default(), &config).0.planned, prior);
    }

    #[test]
    fn too_little_is_a_mint() {
        let config = config("20000000uact", Some("30000000uact"));
        let prior = prior(&config);
        let (plan, diagnostics) = plan(&prior, read(19_999_999), &config);
        let expected = Act { balance: Value::Unknown, receipts: Value::Unknown, ..prior.clone() };
        assert_eq!(plan.planned, expected);
        assert!(!diagnostics.has_errors());
        let told = text(&diagnostics);
        for words in ["10.000001 ACT are missing", "1.25 USD", "0.25 %", "8.180"] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(!told.contains("above `target`") && !told.contains("send it"), "{told}");
    }

    #[test]
    fn the_floor_and_what_stands_in_the_way_are_told() {
        let config = config("20000000uact", None);
        let prior = prior(&config);
        let told = |seen: Seen| {
            let private = Private { seen: Some(seen), ..Private::default() };
            text(&plan(&prior, private, &config).1)
        };
        let floor = told(seen(19_000_000));
        assert!(floor.contains("no less than 10 ACT") && floor.contains("above `target`"), "{floor}");
        let poor = told(Seen { akt: 180_452, ..seen(12_000_000) });
        assert!(poor.contains("holds only 0.180452 AKT") && poor.contains("at least 8 AKT more"), "{poor}");
        let halted = Gate::CircuitBreaker { ratio: "0.5".into(), halt: "0.9".into() };
        assert!(told(Seen { gate: halted, ..seen(0) }).contains("circuit breaker"));
        let terms = Terms { price: String::new(), ..seen(0).terms };
        let stale = told(Seen { gate: Gate::OracleStale { why: "stalled".into() }, terms, ..seen(0) });
        assert!(stale.contains("not possible now") && stale.contains("oracle"), "{stale}");
    }

    #[test]
    fn a_reason_alone_sends_nothing_and_a_higher_minimum_mints() {
        let before = config("20000000uact", None);
        let prior = prior(&before);
        let changed = Act { reason: "because".into(), ..before.clone() };
        let (quiet, diagnostics) = plan(&prior, read(25_000_000), &changed);
        assert_eq!(quiet.planned, Act { reason: "because".into(), ..prior.clone() });
        assert!(diagnostics.is_empty());
        let (more, _) = plan(&prior, read(25_000_000), &config("40000000uact", None));
        assert!(more.planned.balance.is_unknown() && more.planned.receipts.is_unknown());
        assert_eq!(more.planned.id, prior.id);
        let unknown = Act { minimum: Value::Unknown, ..before };
        assert!(plan(&prior, read(25_000_000), &unknown).0.planned.balance.is_unknown());
    }

    #[test]
    fn what_is_on_its_way_counts_and_what_is_ours_is_waited_for() {
        let config = config("20000000uact", None);
        let prior = prior(&config);
        let coming = Seen { coming: 10_000_000, ..seen(10_000_000) };
        let private = Private { seen: Some(coming), ..Private::default() };
        assert_eq!(plan(&prior, private, &config).0.planned, prior);
        let queued: Queued = serde_json::from_value(serde_json::json!({
            "tx_hash": "AB", "height": 7, "time": 0, "gas_used": 1, "fee": "1uakt", "messages": 1,
            "message_index": 0, "by_effect": false, "denom": "uakt", "amount": 1, "wanted": 1
        }))
        .unwrap();
        let private = Private { queued: Some(queued), ..read(25_000_000) };
        let (plan, diagnostics) = plan(&prior, private, &config);
        assert!(plan.planned.balance.is_unknown() && text(&diagnostics).contains("waits for the same mint"));
    }

    #[test]
    fn an_import_says_that_it_only_records() {
        let config = config("20000000uact", None);
        let imported = Act { minimum: Value::Null, ..prior(&config) };
        let (plan, diagnostics) = plan(&imported, read(25_000_000), &config);
        assert_eq!((&plan.planned.minimum, &plan.planned.receipts), (&config.minimum, &imported.receipts));
        assert!(text(&diagnostics).contains("sends nothing"));
    }

    #[test]
    fn a_target_below_the_minimum_is_refused() {
        for (target, refused) in [("19999999uact", true), ("20000000uact", false)] {
            let mut diagnostics = Diagnostics::new();
            validate(&config("20000000uact", Some(target)), &mut diagnostics);
            assert_eq!(diagnostics.has_errors(), refused, "{target}");
        }
    }
}
