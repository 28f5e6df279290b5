//! Plans of an `akash_lease`: functions of configuration, prior state and prior private state alone.

use std::collections::BTreeMap;

use akash_sdl::ManifestGroup;
use tfplugin::{Diagnostics, Path, PlanCreate, PlanUpdate, Value};

use super::LeaseResource;
use super::model::{Lease, Private, addresses_depend_on};
use crate::lifecycle::{ids, lease_end::Reclaim, manifest::ManifestAttribute};
use crate::op::Failure;

/// Checks the configuration; values may be unknown.
pub(super) fn validate(config: &Lease, diagnostics: &mut Diagnostics) {
    if let Some(select) = config.select.known() {
        select.validate(&Path::root("select"), diagnostics);
        select.can_match(config.provider_address.as_deref(), &Path::root("select"), diagnostics);
    }
    if let Some(text) = config.manifest.as_deref() {
        read(text, diagnostics);
    }
}

fn read(text: &str, diagnostics: &mut Diagnostics) -> Option<ManifestAttribute> {
    ManifestAttribute::read(text)
        .map_err(|error| diagnostics.error_at(&Path::root("manifest"), "Not a manifest", format!("{error}.")))
        .ok()
}

/// The group's number and its part of the manifest: by name, or the only one.
pub(super) fn group<'a>(
    manifest: &'a ManifestAttribute,
    name: Option<&str>,
) -> Result<(u32, &'a ManifestGroup), String> {
    let groups = &manifest.groups.0;
    let names = || groups.iter().map(|group| format!("`{}`", group.name)).collect::<Vec<_>>().join(", ");
    let numbered = || (1_u32..).zip(groups);
    match (name, groups.as_slice()) {
        (None, [only]) => Ok((1, only)),
        (None, _) => Err(format!("The deployment has several groups; set `group` to one of {}.", names())),
        (Some(name), _) => numbered()
            .find(|(_, group)| group.name == name)
            .ok_or_else(|| format!("The deployment has no group `{name}`; it has {}.", names())),
    }
}

/// Plans a new lease: only the group is known before providers have bid.
pub(super) fn create(plan: &mut PlanCreate<LeaseResource>, diagnostics: &mut Diagnostics) {
    let Some(manifest) = plan.config.manifest.as_deref().and_then(|text| read(text, diagnostics)) else {
        return;
    };
    if plan.config.group.is_unknown() {
        return;
    }
    match group(&manifest, plan.config.group.as_deref()) {
        Ok((_, group)) => plan.planned.group = group.name.as_str().into(),
        Err(error) => diagnostics.error_at(&Path::root("group"), "No such group", error),
    }
}

/// What an update of a lease does. Decided alike in plan and apply, from the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is sent.
    Record,
    /// The manifest is uploaded, or what is outstanding of an upload is waited for.
    Upload,
    /// The lease goes to another provider.
    Move,
}

/// Whether the lease is over.
fn is_lost(prior: &Lease) -> bool {
    matches!(prior.state.as_deref(), Some("closed" | "insufficient_funds"))
}

/// Whether the provider is to get a manifest that it does not have, as far as known.
pub(super) fn uploads(config: &Lease, prior: &Lease) -> bool {
    !prior.manifest_hash.is_known() || config.manifest != prior.manifest
}

/// What a change from `prior` to `config` takes.
pub(super) fn step(config: &Lease, prior: &Lease, private: &Private) -> Step {
    if is_lost(prior) {
        return if private.moving { Step::Move } else { Step::Record };
    }
    if prior.state.as_deref() == Some("pending") {
        return Step::Record;
    }
    let moves = match &config.provider_address {
        Value::Known(address) => prior.provider_address.as_deref() != Some(address.as_str()),
        Value::Unknown => true,
        Value::Null => false,
    };
    let waits = config.wait_for_ready.known() != Some(&false);
    let unready = waits && prior.ready != Value::Known(true);
    match (moves, uploads(config, prior) || unready) {
        (true, _) => Step::Move,
        (false, true) => Step::Upload,
        (false, false) => Step::Record,
    }
}

/// Plans a change: an upload, a move, a replacement, or nothing.
pub(super) fn update(plan: &mut PlanUpdate<LeaseResource>, diagnostics: &mut Diagnostics) {
    let (config, prior) = (&plan.config, &plan.prior);
    if config.deployment != prior.deployment {
        plan.replace.push(Path::root("deployment"));
        return;
    }
    let manifest = config.manifest.as_deref().and_then(|text| read(text, diagnostics));
    if config.group != prior.group
        && !config.group.is_null()
        && another_group(config, prior, manifest.as_ref(), diagnostics)
    {
        plan.replace.push(Path::root("group"));
        return;
    }
    if is_lost(prior) && !plan.private.moving {
        lost(&plan.private, diagnostics);
        // There is no lease that could take another manifest or go to another provider.
        plan.planned.manifest = prior.manifest.clone();
        plan.planned.provider_address = prior.provider_address.clone();
        return;
    }
    let step = step(config, prior, &plan.private);
    if let Some(reclaim) = plan.private.reclaim.as_ref().filter(|_| step != Step::Move) {
        if uploads(config, prior) {
            return refused_upload(reclaim).tell(diagnostics);
        }
        reclaimed(reclaim, diagnostics);
    }
    match step {
        Step::Record => {}
        Step::Upload => plan_upload(&mut plan.planned, prior, manifest.as_ref()),
        Step::Move => {
            plan_move(&mut plan.planned, config);
            tell_move(config, prior, plan.private.moving, diagnostics);
        }
    }
}

/// Says what a move takes, or what it would where it is not known yet whether there is one.
fn tell_move(config: &Lease, prior: &Lease, moving: bool, diagnostics: &mut Diagnostics) {
    let here = prior.provider_address.as_deref().unwrap_or("the present provider");
    let (summary, detail) = if moving {
        (
            "The lease moves to another provider",
            "The old lease is closed already and no other could be taken yet; this apply goes on from there."
                .into(),
        )
    } else if config.provider_address.is_unknown() {
        (
            "The lease may move to another provider",
            format!(
                "`provider_address` is known only during the apply. If it is {here} then, nothing moves. If it is another, \
                 the lease at {here} is closed before that provider's bid is taken; data there is lost, and addresses \
                 change."
            ),
        )
    } else {
        (
            "The lease moves to another provider",
            format!(
                "The lease at {here} is closed before the other provider's bid is taken. Data there is lost, and addresses \
                 change."
            ),
        )
    };
    diagnostics.warning_at(&Path::root("provider_address"), summary, detail);
}

/// Says that the provider takes the lease back, until when, and what to do. Told in reads and plans.
pub(super) fn reclaimed(reclaim: &Reclaim, diagnostics: &mut Diagnostics) {
    diagnostics.warning_at(
        &Path::root("reclaim_deadline"),
        "The provider reclaims the lease",
        format!(
            "{} Copy out what is to be kept and move the lease before: set `provider_address` to another provider, or \
             `terraform apply -replace=ADDRESS` with this one in `select.deny`. Until then it takes no other manifest.",
            reclaim.text()
        ),
    );
}

/// The provider answers an upload with 404 by now, and the new hash would be paid for by then.
pub(super) fn refused_upload(reclaim: &Reclaim) -> Failure {
    Failure::at(
        "manifest",
        "The provider reclaims the lease and takes no other manifest",
        format!(
            "{} Nothing was sent. To go on elsewhere with the new manifest set `provider_address` to another provider in \
             the same apply, or `terraform taint ADDRESS` with this one in `select.deny`. To go on here until then, keep \
             the SDL as it was.",
            reclaim.text()
        ),
    )
}

/// Whether `config.group` names another group of the deployment than the lease is of.
fn another_group(
    config: &Lease,
    prior: &Lease,
    manifest: Option<&ManifestAttribute>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let (Some(name), Some(manifest)) = (config.group.as_deref(), manifest) else {
        return !prior.group.is_null();
    };
    let gseq = prior.id.as_deref().and_then(|id| ids::group(id, None).ok()).map(|id| id.gseq());
    match group(manifest, Some(name)) {
        Ok((number, _)) => Some(number) != gseq,
        Err(error) => {
            diagnostics.error_at(&Path::root("group"), "No such group", error);
            false
        }
    }
}

/// Tells that the lease is over. Nothing is planned: repair is not built yet.
fn lost(private: &Private, diagnostics: &mut Diagnostics) {
    diagnostics.warning_at(
        &Path::root("state"),
        "The lease is lost",
        format!(
            "{} This version can't repair a lost lease, so nothing is planned for it. To take a new lease in the same \
             deployment, replace this resource: `terraform apply -replace=ADDRESS`.",
            private.lost.as_deref().unwrap_or("It is not active any more.")
        ),
    );
}

fn plan_move(planned: &mut Lease, config: &Lease) {
    planned.oseq = Value::Unknown;
    planned.provider_host = Value::Unknown;
    planned.provider_attributes = Value::Unknown;
    planned.price = Value::Unknown;
    planned.cost = Value::Unknown;
    planned.state = Value::Unknown;
    planned.closed_reason = Value::Unknown;
    planned.reclaim_deadline = Value::Unknown;
    planned.ready = Value::Unknown;
    planned.url = Value::Unknown;
    planned.services = Value::Unknown;
    planned.ports = Value::Unknown;
    planned.ips = Value::Unknown;
    planned.manifest_hash = Value::Unknown;
    planned.receipts = Value::Unknown;
    planned.provider_address = match &config.provider_address {
        Value::Null => Value::Unknown,
        configured => configured.clone(),
    };
}

/// Marks what an upload changes: the hash, readiness, receipts, the addresses of services whose exposes changed, and all
/// that were never reported: the provider may report them by the end of the apply.
fn plan_upload(planned: &mut Lease, prior: &Lease, manifest: Option<&ManifestAttribute>) {
    planned.manifest_hash = Value::Unknown;
    planned.ready = Value::Unknown;
    planned.receipts = Value::Unknown;
    let after =
        manifest.and_then(|manifest| group(manifest, prior.group.as_deref()).ok()).map(|(_, group)| group);
    let before = prior.manifest.as_deref().and_then(|text| ManifestAttribute::read(text).ok());
    let before =
        before.as_ref().and_then(|before| group(before, prior.group.as_deref()).ok()).map(|(_, group)| group);
    let (Some(after), Some(before)) = (after, before) else {
        // Either side is not known: every address may change.
        planned.url = Value::Unknown;
        planned.services = Value::Unknown;
        planned.ports = Value::Unknown;
        planned.ips = Value::Unknown;
        return;
    };
    let names: BTreeMap<&str, ()> =
        after.services.iter().chain(&before.services).map(|one| (one.name.as_str(), ())).collect();
    if after.services.len() != names.len() || before.services.len() != names.len() {
        planned.url = Value::Unknown;
        planned.services = Value::Unknown;
        planned.ports = Value::Unknown;
        planned.ips = Value::Unknown;
        return;
    }
    for name in
        names.into_keys().filter(|name| addresses_depend_on(after, name) != addresses_depend_on(before, name))
    {
        planned.url = Value::Unknown;
        if let Some(service) = planned.services.known_mut().and_then(|all| all.get_mut(name)?.known_mut()) {
            service.uris = Value::Unknown;
            service.custom_hosts = Value::Unknown;
        }
        if let Some(ports) = planned.ports.known_mut().and_then(|all| all.get_mut(name)) {
            *ports = Value::Unknown;
        }
        // An address may come or go with its endpoint, and the key with it.
        planned.ips = Value::Unknown;
    }
    planned.set_missing_unknown(after);
}

#[cfg(test)]
mod tests {
    use super::super::model::{Port, Service};
    use super::*;

    const SDL: &str = include_str!("../../../examples/quickstart/web.yaml");
    const OWNER: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";
    const OTHER: &str = "akash1dl55fwhpjntshx8tc4crpduv5296plkm3uxd64";

    fn manifest(text: &str) -> ManifestAttribute {
        ManifestAttribute::new(akash_sdl::compile(text).sdl.unwrap().manifest)
    }

    fn running() -> Lease {
        let manifest = manifest(SDL);
        let (_, group) = group(&manifest, None).unwrap();
        let mut state = Lease {
            deployment: format!("{OWNER}/7").into(),
            manifest: manifest.text().into(),
            group: group.name.as_str().into(),
            provider_address: OWNER.into(),
            id: format!("{OWNER}/7/1").into(),
            chain_id: "devnet-1".into(),
            oseq: 1.into(),
            state: "active".into(),
            ready: true.into(),
            manifest_hash: "00".into(),
            receipts: Value::Known(Vec::new()),
            ..Lease::default()
        };
        state.set_promised(group);
        for service in state.services.known_mut().unwrap().values_mut() {
            service.known_mut().unwrap().uris = Value::Known(vec!["x".into()]);
        }
        state.url = "http://x".into();
        state
    }

    fn config(prior: &Lease) -> Lease {
        Lease { deployment: prior.deployment.clone(), manifest: prior.manifest.clone(), ..Lease::default() }
    }

    fn plan(prior: &Lease, config: &Lease) -> (PlanUpdate<LeaseResource>, Diagnostics) {
        let mut planned = prior.clone();
        planned.deployment = config.deployment.clone();
        planned.manifest = config.manifest.clone();
        planned.reason = config.reason.clone();
        planned.select = config.select.clone();
        if !config.provider_address.is_null() {
            planned.provider_address = config.provider_address.clone();
        }
        if !config.group.is_null() {
            planned.group = config.group.clone();
        }
        let mut plan = PlanUpdate {
            config: config.clone(),
            prior: prior.clone(),
            planned,
            private: Private::default(),
            replace: Vec::new(),
        };
        let mut diagnostics = Diagnostics::new();
        update(&mut plan, &mut diagnostics);
        (plan, diagnostics)
    }

    #[test]
    fn nothing_changes_nothing() {
        let prior = running();
        let (plan, diagnostics) = plan(&prior, &Lease { reason: "x".into(), ..config(&prior) });
        assert_eq!(plan.planned, Lease { reason: "x".into(), ..prior });
        assert!(diagnostics.is_empty());
    }

    #[test]
    fn an_image_uploads_and_keeps_addresses() {
        let prior = running();
        let changed = manifest(&SDL.replace("image: nginx", "image: other"));
        let (plan, _) = plan(&prior, &Lease { manifest: changed.text().into(), ..config(&prior) });
        let planned = plan.planned;
        assert!(
            planned.manifest_hash.is_unknown() && planned.ready.is_unknown() && planned.receipts.is_unknown()
        );
        assert_eq!(
            (&planned.url, &planned.services, &planned.ports),
            (&prior.url, &prior.services, &prior.ports)
        );
        assert_eq!((&planned.id, &planned.oseq), (&prior.id, &prior.oseq));
    }

    #[test]
    fn a_changed_expose_changes_that_services_addresses() {
        let prior = running();
        let changed =
            manifest(&SDL.replace("- global: true", "- global: true\n        accept: [example.com]"));
        assert_ne!(Value::Known(changed.text()), prior.manifest);
        let (plan, _) = plan(&prior, &Lease { manifest: changed.text().into(), ..config(&prior) });
        let services = plan.planned.services.known().unwrap();
        assert!(services.values().all(|one| one.known().is_some_and(|one: &Service| one.uris.is_unknown())));
        assert!(plan.planned.url.is_unknown());
    }

    #[test]
    fn what_is_outstanding_is_planned_like_an_upload() {
        for prior in
            [Lease { manifest_hash: Value::Null, ..running() }, Lease { ready: false.into(), ..running() }]
        {
            let (plan, _) = plan(&prior, &config(&prior));
            assert!(plan.planned.manifest_hash.is_unknown() && plan.planned.ready.is_unknown());
        }
        let unawaited = Lease { ready: false.into(), wait_for_ready: false.into(), ..running() };
        let same = Lease { wait_for_ready: false.into(), ..config(&unawaited) };
        assert_eq!(step(&same, &unawaited, &Private::default()), Step::Record);
    }

    /// Two services, each with a URI, the first also with two forwarded ports and an address.
    const MANY: &str = "version: \"2.0\"
endpoints: {ip: {kind: ip}}
services:
  a: &a
    image: nginx
    expose:
      - {port: 80, as: 80, to: [{global: true}]}
      - {port: 53, proto: udp, to: [{global: true}]}
      - {port: 54, proto: udp, to: [{global: true}]}
      - {port: 9000, to: [{global: true, ip: ip}]}
  b: {image: nginx, expose: [{port: 80, as: 80, to: [{global: true}]}]}
profiles:
  compute: {p: {resources: {cpu: {units: 1}, memory: {size: 1Gi}, storage: {size: 1Gi}}}}
  placement: {one: {pricing: {p: {denom: uact, amount: 10}}}}
deployment: {a: {one: {profile: p, count: 1}}, b: {one: {profile: p, count: 1}}}
";

    /// A lease of which these were reported: the URIs of these services, and the forwarded ports.
    fn many(reported: &[&str], ports: &[&str]) -> Lease {
        let manifest = manifest(MANY);
        let (_, group) = group(&manifest, None).unwrap();
        let mut state = Lease {
            manifest: manifest.text().into(),
            group: "one".into(),
            manifest_hash: Value::Null,
            url: Value::Null,
            ..running()
        };
        state.set_promised(group);
        for name in reported {
            let service = state.services.known_mut().unwrap().get_mut(*name).unwrap();
            service.known_mut().unwrap().uris = Value::Known(vec![format!("{name}.example.com")]);
            state.url = state.url.known().cloned().unwrap_or(format!("http://{name}.example.com")).into();
        }
        for port in ports {
            let known = state.ports.known_mut().unwrap().get_mut("a").unwrap().known_mut().unwrap();
            let value = Port { host: "h".into(), external_port: 30_000.into() };
            known.insert((*port).to_owned(), Value::Known(value));
        }
        state
    }

    /// What was never reported may come with the upload, so it is unknown; what was stays.
    #[test]
    fn what_was_never_reported_is_unknown() {
        for (prior, unknown) in [
            (many(&[], &[]), "a.uris 53/udp 54/udp 9000/tcp b.uris ips url"),
            (many(&["a"], &["53/udp"]), "54/udp 9000/tcp b.uris ips"),
            // The first URI would be another one.
            (many(&["b"], &["53/udp", "54/udp"]), "a.uris 9000/tcp ips url"),
        ] {
            let (plan, _) = plan(&prior, &config(&prior));
            let planned = plan.planned;
            let mut found = Vec::new();
            for (name, service) in planned.services.known().unwrap() {
                if service.known().unwrap().uris.is_unknown() {
                    found.push(format!("{name}.uris"));
                }
                let ports = planned.ports.known().unwrap()[name].known().unwrap();
                found.extend(ports.iter().filter(|(_, port)| port.is_unknown()).map(|(key, _)| key.clone()));
            }
            found.extend(planned.ips.known().unwrap()["a"].is_unknown().then(|| "ips".to_owned()));
            found.extend(planned.url.is_unknown().then(|| "url".to_owned()));
            assert_eq!(found.join(" "), unknown);
            // And nothing that was reported has changed.
            let mut back = planned.clone();
            for (name, service) in back.services.known_mut().unwrap() {
                let service = service.known_mut().unwrap();
                if service.uris.is_unknown() {
                    service.uris = prior.services.known().unwrap()[name].known().unwrap().uris.clone();
                }
            }
            assert_eq!(back.services, prior.services);
        }
    }

    #[test]
    fn what_is_reclaimed_takes_no_manifest() {
        let reclaim = Reclaim {
            gseq: 1,
            provider: OWNER.into(),
            deadline: Some("2026-01-02T03:04:05Z".into()),
            reason: "unstable".into(),
        };
        let private = Private { reclaim: Some(reclaim), ..Private::default() };
        let prior = Lease { state: "reclaiming".into(), ..running() };
        let tried = |prior: &Lease, config: &Lease| {
            let (mut plan, _) = plan(prior, config);
            (plan.planned, plan.private) = (prior.clone(), private.clone());
            let mut diagnostics = Diagnostics::new();
            update(&mut plan, &mut diagnostics);
            (plan.planned, diagnostics)
        };
        let changed = manifest(&SDL.replace("image: nginx", "image: other")).text();
        let lacking = Lease { manifest_hash: Value::Null, ..prior.clone() };
        for (prior, config) in [
            (&prior, Lease { manifest: changed.as_str().into(), ..config(&prior) }),
            (&prior, Lease { manifest: Value::Unknown, ..config(&prior) }),
            (&lacking, config(&lacking)),
        ] {
            assert!(tried(prior, &config).1.has_errors());
        }
        // What it holds may be waited for, and it may go elsewhere with another.
        let unready = Lease { ready: false.into(), ..prior.clone() };
        let elsewhere =
            Lease { manifest: changed.as_str().into(), provider_address: OTHER.into(), ..config(&prior) };
        for (prior, config) in [(&prior, config(&prior)), (&unready, config(&unready)), (&prior, elsewhere)] {
            let (_, told) = tried(prior, &config);
            assert!(!told.has_errors() && !told.is_empty());
        }
    }

    #[test]
    fn another_provider_moves() {
        let prior = running();
        let (plan, diagnostics) = plan(&prior, &Lease { provider_address: OTHER.into(), ..config(&prior) });
        assert!(plan.replace.is_empty() && !diagnostics.is_empty());
        assert_eq!((&plan.planned.id, &plan.planned.chain_id), (&prior.id, &prior.chain_id));
        assert!(
            plan.planned.oseq.is_unknown()
                && plan.planned.services.is_unknown()
                && plan.planned.price.is_unknown()
        );
        let same = Lease { provider_address: OWNER.into(), ..config(&prior) };
        assert_eq!(step(&same, &prior, &Private::default()), Step::Record);
    }

    #[test]
    fn only_deployment_and_another_gseq_replace() {
        let prior = running();
        let (elsewhere, _) =
            plan(&prior, &Lease { deployment: format!("{OWNER}/8").into(), ..config(&prior) });
        assert_eq!(elsewhere.replace, [Path::root("deployment")]);
        let (unknown, _) = plan(&prior, &Lease { deployment: Value::Unknown, ..config(&prior) });
        assert_eq!(unknown.replace, [Path::root("deployment")]);
        let named = Lease { group: prior.group.clone(), ..config(&prior) };
        assert!(plan(&prior, &named).0.replace.is_empty());
        let (_, told) = plan(&prior, &Lease { group: "nope".into(), ..config(&prior) });
        assert!(told.has_errors());
    }

    #[test]
    fn a_move_that_was_cut_off_goes_on() {
        let prior = Lease { state: "closed".into(), ..running() };
        let private = Private { moving: true, ..Private::default() };
        for address in [Value::Null, OTHER.into(), OWNER.into()] {
            let config = Lease { provider_address: address.clone(), ..config(&prior) };
            assert_eq!(step(&config, &prior, &private), Step::Move);
            let mut planned = prior.clone();
            plan_move(&mut planned, &config);
            assert_eq!(planned.provider_address.is_unknown(), address.is_null());
        }
        assert_eq!(step(&config(&prior), &prior, &Private::default()), Step::Record);
    }

    #[test]
    fn a_lost_lease_is_told_and_nothing_planned() {
        let prior = Lease { state: "closed".into(), ..running() };
        let changed = manifest(&SDL.replace("image: nginx", "image: other"));
        let (plan, diagnostics) = plan(&prior, &Lease { manifest: changed.text().into(), ..config(&prior) });
        assert_eq!(plan.planned, prior);
        assert!(!diagnostics.is_empty() && !diagnostics.has_errors());
    }
}
