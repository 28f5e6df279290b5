//! What each change of a lease is planned as.

use super::super::model::{Port, Reported, Service, Terms};
use super::*;

const SDL: &str = include_str!("../../../../examples/quickstart/web.yaml");
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
        terms: Terms { oseq: 1.into(), state: "active".into(), ..Terms::default() },
        reported: Reported { ready: true.into(), manifest_hash: "00".into(), ..Reported::default() },
        receipts: Value::Known(Vec::new()),
        ..Lease::default()
    };
    state.set_promised(group);
    for service in state.reported.services.known_mut().unwrap().values_mut() {
        service.known_mut().unwrap().uris = Value::Known(vec!["x".into()]);
    }
    state.reported.url = "http://x".into();
    state
}

fn in_state(state: &str) -> Lease {
    let lease = running();
    Lease { terms: Terms { state: state.into(), ..lease.terms.clone() }, ..lease }
}

fn unready(mut lease: Lease) -> Lease {
    lease.reported.ready = false.into();
    lease
}

fn without_manifest(mut lease: Lease) -> Lease {
    lease.reported.manifest_hash = Value::Null;
    lease
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
        planned.reported.manifest_hash.is_unknown()
            && planned.reported.ready.is_unknown()
            && planned.receipts.is_unknown()
    );
    assert_eq!(
        (&planned.reported.url, &planned.reported.services, &planned.reported.ports),
        (&prior.reported.url, &prior.reported.services, &prior.reported.ports)
    );
    assert_eq!((&planned.id, &planned.terms.oseq), (&prior.id, &prior.terms.oseq));
}

#[test]
fn a_changed_expose_changes_that_services_addresses() {
    let prior = running();
    let changed = manifest(&SDL.replace("- global: true", "- global: true\n        accept: [example.com]"));
    assert_ne!(Value::Known(changed.text()), prior.manifest);
    let (plan, _) = plan(&prior, &Lease { manifest: changed.text().into(), ..config(&prior) });
    let services = plan.planned.reported.services.known().unwrap();
    assert!(services.values().all(|one| one.known().is_some_and(|one: &Service| one.uris.is_unknown())));
    assert!(plan.planned.reported.url.is_unknown());
}

#[test]
fn what_is_outstanding_is_planned_like_an_upload() {
    for prior in [without_manifest(running()), unready(running())] {
        let (plan, _) = plan(&prior, &config(&prior));
        assert!(plan.planned.reported.manifest_hash.is_unknown() && plan.planned.reported.ready.is_unknown());
    }
    let unawaited = Lease { wait_for_ready: false.into(), ..unready(running()) };
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
        reported: Reported { ready: true.into(), ..Reported::default() },
        ..running()
    };
    state.set_promised(group);
    for name in reported {
        let service = state.reported.services.known_mut().unwrap().get_mut(*name).unwrap();
        service.known_mut().unwrap().uris = Value::Known(vec![format!("{name}.example.com")]);
        state.reported.url =
            state.reported.url.known().cloned().unwrap_or(format!("http://{name}.example.com")).into();
    }
    for port in ports {
        let known = state.reported.ports.known_mut().unwrap().get_mut("a").unwrap().known_mut().unwrap();
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
        for (name, service) in planned.reported.services.known().unwrap() {
            if service.known().unwrap().uris.is_unknown() {
                found.push(format!("{name}.uris"));
            }
            let ports = planned.reported.ports.known().unwrap()[name].known().unwrap();
            found.extend(ports.iter().filter(|(_, port)| port.is_unknown()).map(|(key, _)| key.clone()));
        }
        found.extend(planned.reported.ips.known().unwrap()["a"].is_unknown().then(|| "ips".to_owned()));
        found.extend(planned.reported.url.is_unknown().then(|| "url".to_owned()));
        assert_eq!(found.join(" "), unknown);
        // And nothing that was reported has changed.
        let mut back = planned.clone();
        for (name, service) in back.reported.services.known_mut().unwrap() {
            let service = service.known_mut().unwrap();
            if service.uris.is_unknown() {
                service.uris = prior.reported.services.known().unwrap()[name].known().unwrap().uris.clone();
            }
        }
        assert_eq!(back.reported.services, prior.reported.services);
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
    let prior = in_state("reclaiming");
    let tried = |prior: &Lease, config: &Lease| {
        let (mut plan, _) = plan(prior, config);
        (plan.planned, plan.private) = (prior.clone(), private.clone());
        let mut diagnostics = Diagnostics::new();
        update(&mut plan, &mut diagnostics);
        (plan.planned, diagnostics)
    };
    let changed = manifest(&SDL.replace("image: nginx", "image: other")).text();
    let lacking = without_manifest(prior.clone());
    for (prior, config) in [
        (&prior, Lease { manifest: changed.as_str().into(), ..config(&prior) }),
        (&prior, Lease { manifest: Value::Unknown, ..config(&prior) }),
        (&lacking, config(&lacking)),
    ] {
        assert!(tried(prior, &config).1.has_errors());
    }
    // What it holds may be waited for, and it may go elsewhere with another.
    let unready = unready(prior.clone());
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
        plan.planned.terms.oseq.is_unknown()
            && plan.planned.reported.services.is_unknown()
            && plan.planned.terms.price.is_unknown()
    );
    let same = Lease { provider_address: OWNER.into(), ..config(&prior) };
    assert_eq!(step(&same, &prior, &Private::default()), Step::Record);
}

#[test]
fn only_deployment_and_another_gseq_replace() {
    let prior = running();
    let (elsewhere, _) = plan(&prior, &Lease { deployment: format!("{OWNER}/8").into(), ..config(&prior) });
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
    let prior = in_state("closed");
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
    let prior = in_state("closed");
    let changed = manifest(&SDL.replace("image: nginx", "image: other"));
    let (plan, diagnostics) = plan(&prior, &Lease { manifest: changed.text().into(), ..config(&prior) });
    assert_eq!(plan.planned, prior);
    assert!(!diagnostics.is_empty() && !diagnostics.has_errors());
}
