//! Plans of deployments as tables and cases.

use super::super::model::Private;
use super::*;

const SDL: &str = include_str!("../../../../examples/quickstart/web.yaml");
const OWNER: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";

/// State and private state of a deployment that runs `text`.
fn running(text: &str) -> (Deployment, Private) {
    let sdl = akash_sdl::compile(text).sdl.unwrap();
    let mut prior = Deployment {
        sdl: text.into(),
        id: format!("{OWNER}/7").into(),
        owner: OWNER.into(),
        dseq: "7".into(),
        chain_id: "devnet-1".into(),
        state: "active".into(),
        created_height: "1".into(),
        deposited: "500000".into(),
        receipts: Value::Known(vec!["{}".into()]),
        ..Deployment::default()
    };
    prior.set_compiled(&sdl);
    (prior, Private { groups: sdl.groups, ..Private::default() })
}

/// The plan of changing `prior` so that the arguments are those of `config`.
fn plan(prior: &(Deployment, Private), config: &Deployment) -> (PlanUpdate<DeploymentResource>, Diagnostics) {
    let arguments = config.clone();
    let mut planned = prior.0.clone();
    planned.sdl = arguments.sdl;
    planned.name = arguments.name;
    planned.deposit = arguments.deposit;
    planned.on_market_change = arguments.on_market_change;
    planned.reason = arguments.reason;
    let mut plan = PlanUpdate {
        config: config.clone(),
        prior: prior.0.clone(),
        planned,
        private: prior.1.clone(),
        replace: Vec::new(),
    };
    let mut diagnostics = Diagnostics::new();
    update(&mut plan, &mut diagnostics);
    (plan, diagnostics)
}

fn config(text: &str) -> Deployment {
    Deployment { sdl: text.into(), ..Deployment::default() }
}

#[test]
fn comments_and_style_are_no_change() {
    let prior = running(SDL);
    let (plan, diagnostics) =
        plan(&prior, &config(&format!("# a comment\n{}\n", SDL.replace("global: true", "global: yes"))));
    assert_eq!(plan.planned, prior.0);
    assert!(plan.replace.is_empty() && diagnostics.is_empty());
}

#[test]
fn an_image_is_in_place_and_its_hash_known() {
    let prior = running(SDL);
    let text = SDL.replace("image: nginx", "image: other");
    let (plan, _) = plan(&prior, &config(&text));
    let next = akash_sdl::compile(&text).sdl.unwrap();
    assert!(plan.replace.is_empty());
    assert_eq!(plan.planned.hash, Value::Known(next.hash_hex()));
    assert!(plan.planned.manifest.is_known() && plan.planned.manifest != prior.0.manifest);
    assert!(plan.planned.receipts.is_unknown());
    for (planned, before) in [(&plan.planned.id, &prior.0.id), (&plan.planned.deposited, &prior.0.deposited)]
    {
        assert_eq!(planned, before);
    }
}

#[test]
fn resources_replace_and_the_path_is_named() {
    let prior = running(SDL);
    let (plan, diagnostics) = plan(&prior, &config(&SDL.replace("512Mi", "1Gi")));
    assert_eq!(plan.replace, [Path::root("sdl")]);
    assert!(diagnostics.iter().any(|one| one.detail.contains("profiles.compute.")), "{diagnostics:?}");
}

#[test]
fn a_price_alone_is_kept_or_replaces() {
    let prior = running(SDL);
    let mut changed = config(&with_another_price(SDL));
    let (kept, diagnostics) = plan(&prior, &changed);
    assert!(kept.replace.is_empty());
    assert_eq!((&kept.planned.groups, &kept.planned.cost), (&prior.0.groups, &prior.0.cost));
    assert_eq!((&kept.planned.hash, &kept.planned.receipts), (&prior.0.hash, &prior.0.receipts));
    assert_eq!(diagnostics.iter().count(), 1);

    changed.on_market_change = "replace".into();
    assert_eq!(plan(&prior, &changed).0.replace, [Path::root("sdl")]);

    // Kept at first and then to be replaced: the text is recorded already, so the other argument carries it.
    let recorded = (Deployment { sdl: changed.sdl.clone(), ..prior.0.clone() }, prior.1.clone());
    assert_eq!(plan(&recorded, &changed).0.replace, [Path::root("on_market_change")]);
}

/// The SDL with another amount.
fn with_another_price(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("amount:") {
        Some((before, _)) => format!("{before}amount: 4321"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_reason_alone_sends_nothing() {
    let prior = running(SDL);
    let changed = Deployment { reason: "because".into(), ..config(SDL) };
    let (plan, diagnostics) = plan(&prior, &changed);
    assert_eq!(plan.planned, Deployment { reason: "because".into(), ..prior.0 });
    assert!(diagnostics.is_empty());
}

#[test]
fn a_deposit_tops_up_and_never_down() {
    let prior = running(SDL);
    for (deposit, missing) in [("500000uact", None), ("400000uact", None), ("500001uact", Some(1))] {
        let changed = Deployment { deposit: deposit.into(), ..config(SDL) };
        assert_eq!(top_up(&changed, &prior.0), missing, "{deposit}");
        let (plan, _) = plan(&prior, &changed);
        assert_eq!(plan.planned.deposited.is_unknown(), missing.is_some());
        assert_eq!(plan.planned.receipts.is_unknown(), missing.is_some());
    }
}

#[test]
fn an_unknown_sdl_is_planned_in_place() {
    let prior = running(SDL);
    let changed = Deployment { sdl: Value::Unknown, ..Deployment::default() };
    let (plan, diagnostics) = plan(&prior, &changed);
    assert!(
        plan.planned.manifest.is_unknown()
            && plan.planned.hash.is_unknown()
            && plan.planned.receipts.is_unknown()
    );
    assert_eq!((&plan.planned.groups, &plan.planned.id), (&prior.0.groups, &prior.0.id));
    assert!(plan.replace.is_empty() && !diagnostics.is_empty() && !diagnostics.has_errors());
}

#[test]
fn an_import_only_records() {
    let (running, private) = running(SDL);
    let imported = Deployment { sdl: Value::Null, manifest: Value::Null, ..running.clone() };
    let (plan, _) = plan(&(imported, private), &config(SDL));
    assert_eq!((&plan.planned.sdl, &plan.planned.manifest), (&running.sdl, &running.manifest));
    assert_eq!((&plan.planned.hash, &plan.planned.receipts), (&running.hash, &running.receipts));
    assert!(plan.replace.is_empty());
}

#[test]
fn names() {
    let named = |name: &str| Deployment { name: name.into(), ..config(SDL) };
    let prior = running(SDL);
    let (plan_later, diagnostics) = plan(&prior, &named("web"));
    assert!(plan_later.replace.is_empty() && !diagnostics.is_empty());
    let with_name = (Deployment { name: "web".into(), ..prior.0.clone() }, prior.1.clone());
    assert_eq!(plan(&with_name, &named("other")).0.replace, [Path::root("name")]);
    assert!(plan(&with_name, &named("web")).0.replace.is_empty());
    assert!(plan(&with_name, &config(SDL)).0.replace.is_empty());
}

/// What is said of a change in place is not said where the same plan replaces the deployment for its name.
#[test]
fn a_replacement_is_not_told_as_a_change_in_place() {
    let prior = running(SDL);
    let named = (Deployment { name: "web".into(), ..prior.0.clone() }, prior.1.clone());
    let renamed = |sdl: Value<String>| Deployment { sdl, name: "other".into(), ..Deployment::default() };
    for sdl in [Value::Unknown, SDL.into(), with_another_price(SDL).into()] {
        let (plan, diagnostics) = plan(&named, &renamed(sdl));
        assert_eq!(plan.replace, [Path::root("name")]);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
    }
    // A name that it gets because it is replaced for its SDL is more than recorded.
    let changed = Deployment { name: "web".into(), ..config(&SDL.replace("512Mi", "1Gi")) };
    let (plan, diagnostics) = plan(&prior, &changed);
    assert_eq!(plan.replace, [Path::root("sdl")]);
    assert!(diagnostics.iter().all(|one| !one.summary.contains("only recorded")), "{diagnostics:?}");
}

#[test]
fn an_import_with_a_deposit_sends_it() {
    let (running, private) = running(SDL);
    let imported = Deployment { sdl: Value::Null, manifest: Value::Null, ..running };
    let more = Deployment { deposit: "600000uact".into(), ..config(SDL) };
    let (plan, diagnostics) = plan(&(imported, private), &more);
    assert!(plan.planned.receipts.is_unknown());
    assert!(diagnostics.iter().all(|one| !one.summary.contains("sends nothing")), "{diagnostics:?}");
}

#[test]
fn another_hash_on_chain_is_sent_again() {
    let (mut prior, private) = running(SDL);
    prior.hash = "00".into();
    let (plan, _) = plan(&(prior, private), &config(SDL));
    assert_eq!(plan.planned.hash, Value::Known(akash_sdl::compile(SDL).sdl.unwrap().hash_hex()));
    assert!(plan.planned.receipts.is_unknown());
}

#[test]
fn what_is_refused_is_told() {
    let mut told = Diagnostics::new();
    let refused = Deployment { adopt: true.into(), ..config(&SDL.replace("uact", "uakt")) };
    validate(&refused, &mut told);
    let paths: Vec<String> =
        told.iter().filter_map(|one| one.path.as_ref().map(ToString::to_string)).collect();
    assert!(told.has_errors());
    for name in ["adopt", "sdl"] {
        assert!(paths.iter().any(|path| path == name), "{name}: {paths:?}");
    }
}
