//! Plans of an `akash_lease`: functions of configuration, prior state and prior private state alone.

use std::collections::BTreeMap;

use akash_sdl::ManifestGroup;
use tfplugin::{Diagnostics, Group as _, Path, PlanCreate, PlanUpdate, Value};

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
    matches!(prior.terms.state.as_deref(), Some("closed" | "insufficient_funds"))
}

/// Whether the provider is to get a manifest that it does not have, as far as known.
pub(super) fn uploads(config: &Lease, prior: &Lease) -> bool {
    !prior.reported.manifest_hash.is_known() || config.manifest != prior.manifest
}

/// What a change from `prior` to `config` takes.
pub(super) fn step(config: &Lease, prior: &Lease, private: &Private) -> Step {
    if is_lost(prior) {
        return if private.moving { Step::Move } else { Step::Record };
    }
    if prior.terms.state.as_deref() == Some("pending") {
        return Step::Record;
    }
    let moves = match &config.provider_address {
        Value::Known(address) => prior.provider_address.as_deref() != Some(address.as_str()),
        Value::Unknown => true,
        Value::Null => false,
    };
    let waits = config.wait_for_ready.known() != Some(&false);
    let unready = waits && prior.reported.ready != Value::Known(true);
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
    planned.terms.set_unknown();
    planned.reported.set_unknown();
    planned.receipts = Value::Unknown;
    planned.provider_address = match &config.provider_address {
        Value::Null => Value::Unknown,
        configured => configured.clone(),
    };
}

/// Marks what an upload changes: the hash, readiness, receipts, the addresses of services whose exposes changed, and all
/// that were never reported: the provider may report them by the end of the apply.
fn plan_upload(planned: &mut Lease, prior: &Lease, manifest: Option<&ManifestAttribute>) {
    planned.reported.manifest_hash = Value::Unknown;
    planned.reported.ready = Value::Unknown;
    planned.receipts = Value::Unknown;
    let after =
        manifest.and_then(|manifest| group(manifest, prior.group.as_deref()).ok()).map(|(_, group)| group);
    let before = prior.manifest.as_deref().and_then(|text| ManifestAttribute::read(text).ok());
    let before =
        before.as_ref().and_then(|before| group(before, prior.group.as_deref()).ok()).map(|(_, group)| group);
    let (Some(after), Some(before)) = (after, before) else {
        // Either side is not known: every address may change.
        return planned.reported.set_unknown();
    };
    let names: BTreeMap<&str, ()> =
        after.services.iter().chain(&before.services).map(|one| (one.name.as_str(), ())).collect();
    if after.services.len() != names.len() || before.services.len() != names.len() {
        return planned.reported.set_unknown();
    }
    for name in
        names.into_keys().filter(|name| addresses_depend_on(after, name) != addresses_depend_on(before, name))
    {
        planned.reported.url = Value::Unknown;
        if let Some(service) =
            planned.reported.services.known_mut().and_then(|all| all.get_mut(name)?.known_mut())
        {
            service.uris = Value::Unknown;
            service.custom_hosts = Value::Unknown;
        }
        if let Some(ports) = planned.reported.ports.known_mut().and_then(|all| all.get_mut(name)) {
            *ports = Value::Unknown;
        }
        // An address may come or go with its endpoint, and the key with it.
        planned.reported.ips = Value::Unknown;
    }
    planned.set_missing_unknown(after);
}

#[cfg(test)]
mod tests;
