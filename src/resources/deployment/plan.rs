//! Plans of an `akash_deployment`: functions of configuration, prior state and prior private state alone, because
//! Terraform plans again during apply and refuses another answer.

use std::collections::BTreeSet;

use akash_proto::{Coin, Dec};
use akash_sdl::{Change, Compilation, Kind, Reason, Sdl, Severity};
use tfplugin::{Diagnostics, Path, PlanCreate, PlanUpdate, Value};

use super::DeploymentResource;
use super::model::Deployment;
use crate::lifecycle::{dseq, lease_end::Reclaim, manifest::ManifestAttribute};
use crate::op::Failure;

/// Checks the configuration; values may be unknown.
pub(super) fn validate(config: &Deployment, diagnostics: &mut Diagnostics) {
    if config.adopt.known() == Some(&true) && config.name.is_null() {
        diagnostics.error_at(
            &Path::root("adopt"),
            "`adopt` needs `name`",
            "A deployment is taken over by its name. Set `name`, or import the deployment by its id.",
        );
    }
    if let Value::Known(text) = &config.sdl {
        tell(akash_sdl::compile(text), text, diagnostics);
        placeholders(text, diagnostics);
    }
}

/// Nothing fills a placeholder in: a service would get it as its password.
fn placeholders(text: &str, diagnostics: &mut Diagnostics) {
    let names: BTreeSet<&str> = text
        .split("${secret.")
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .filter(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
        .collect();
    if !names.is_empty() {
        let list = names.iter().map(|name| format!("`${{secret.{name}}}`")).collect::<Vec<_>>().join(", ");
        diagnostics.warning_at(
            &Path::root("sdl"),
            "Placeholders are sent as they are",
            format!(
                "{list}: this version has no secrets of its own, so the service gets this very text. Fill it in with \
                 `replace(sdl, …)`; the value is then in state, as every argument is."
            ),
        );
    }
}

/// Puts the compiler's errors and warnings on `sdl`. A price in a denomination that the chain refuses is a warning of
/// the compiler, whose verdict is the network parser's, and an error here.
fn tell(compilation: Compilation, text: &str, diagnostics: &mut Diagnostics) {
    let at = Path::root("sdl");
    for diagnostic in &compilation.for_chain().diagnostics {
        let detail = akash_sdl::render(diagnostic, text, "sdl");
        match diagnostic.severity {
            Severity::Error if diagnostic.kind == Kind::Denom => {
                diagnostics.error_at(&at, "Price in a denomination that the chain refuses", detail);
            }
            Severity::Error => diagnostics.error_at(&at, "Invalid SDL", detail),
            Severity::Warning => diagnostics.warning_at(&at, "SDL", detail),
        }
    }
}

/// The SDL of a text that has been validated.
pub(super) fn compiled(text: &str) -> Result<Sdl, Failure> {
    let mut compilation = akash_sdl::compile(text);
    compilation.sdl.take().ok_or_else(|| {
        let mut told = Diagnostics::new();
        tell(compilation, text, &mut told);
        Failure::from(told)
    })
}

/// Plans a new deployment: all that the SDL alone decides is known.
pub(super) fn create(plan: &mut PlanCreate<DeploymentResource>, diagnostics: &mut Diagnostics) {
    let Value::Known(text) = &plan.config.sdl else { return };
    match compiled(text) {
        Ok(sdl) => plan.planned.set_compiled(&sdl),
        Err(failure) => failure.tell(diagnostics),
    }
}

/// Plans a change: in place, a replacement, or nothing.
pub(super) fn update(plan: &mut PlanUpdate<DeploymentResource>, diagnostics: &mut Diagnostics) {
    let (config, prior, planned) = (&plan.config, &plan.prior, &mut plan.planned);
    if renamed(config, prior) {
        plan.replace.push(Path::root("name"));
    }
    let (mut sends, mut imported) = (false, false);
    match &config.sdl {
        Value::Unknown => {
            planned.manifest = Value::Unknown;
            planned.hash = Value::Unknown;
            sends = true;
            if plan.replace.is_empty() {
                diagnostics.warning_at(
                    &Path::root("sdl"),
                    "The SDL is not known yet",
                    "It depends on something that this run changes, so the deployment is planned as changed in place. If \
                     it turns out to change resources or endpoints, Terraform stops with \"inconsistent final plan\"; \
                     then nothing has been changed, and the next apply replaces the deployment.",
                );
            }
        }
        Value::Known(text) => {
            let sdl = match compiled(text) {
                Ok(sdl) => sdl,
                Err(failure) => return failure.tell(diagnostics),
            };
            let same = prior.sdl.known().is_some_and(|prior| same_meaning(prior, &sdl));
            if same {
                planned.sdl = prior.sdl.clone();
            }
            let change = diff(&plan.private, &sdl);
            plan_change(config, prior, &change, same, &mut plan.replace, diagnostics);
            let manifest = ManifestAttribute::new(sdl.manifest.clone()).text();
            if prior.manifest.as_deref() != Some(manifest.as_str()) {
                planned.manifest = manifest.into();
            }
            if prior.hash.as_deref() != Some(sdl.hash_hex().as_str()) {
                planned.hash = sdl.hash_hex().into();
                sends = true;
            } else {
                imported = prior.manifest.is_null();
            }
        }
        Value::Null => {}
    }
    if sends && plan.replace.is_empty() {
        tell_reclaimed(&plan.private.reclaimed, diagnostics);
    }
    if top_up(config, prior).is_some() {
        planned.deposited = Value::Unknown;
        sends = true;
    }
    if config.deposit.is_unknown() {
        planned.deposited = Value::Unknown;
        sends = true;
    }
    if sends {
        planned.receipts = Value::Unknown;
    } else if imported && plan.replace.is_empty() {
        diagnostics.warning(
            "Imported: this plan sends nothing",
            "The chain has the hash of this SDL already. The update only records `sdl`, `manifest` and the other \
             arguments in state.",
        );
    }
    // Else it is created under the name.
    if plan.replace.is_empty() {
        tell_recorded_name(config, prior, diagnostics);
    }
}

/// The new hash is paid for, and these providers do not take the manifest that has it.
fn tell_reclaimed(reclaimed: &[Reclaim], diagnostics: &mut Diagnostics) {
    for reclaim in reclaimed {
        diagnostics.warning_at(
            &Path::root("sdl"),
            "The change does not reach a lease that is reclaimed",
            format!(
                "{} It takes no other manifest until then. Move the lease in the same apply (`provider_address` of its \
                 akash_lease), or make this change afterwards.",
                reclaim.text()
            ),
        );
    }
}

/// Whether a text compiles to the same deployment.
fn same_meaning(text: &str, sdl: &Sdl) -> bool {
    akash_sdl::compile(text).sdl.is_some_and(|prior| {
        prior.groups == sdl.groups && prior.manifest == sdl.manifest && prior.reclamation == sdl.reclamation
    })
}

/// What the SDL asks for, against what the chain has.
pub(super) fn diff(private: &super::model::Private, sdl: &Sdl) -> Change {
    let mut change = akash_sdl::diff(&private.groups, sdl);
    let (prior, next) =
        (private.reclamation.unwrap_or(0), sdl.reclamation.map_or(0, |window| window.as_secs()));
    if prior != next {
        change.replace.push(Reason {
            path: "reclamation.min_window".into(),
            detail: format!("{prior} s -> {next} s; it is fixed when the deployment is created"),
        });
    }
    change
}

/// Turns a difference of groups into a replacement, or a warning that it waits.
fn plan_change(
    config: &Deployment,
    prior: &Deployment,
    change: &Change,
    same: bool,
    replace: &mut Vec<Path>,
    diagnostics: &mut Diagnostics,
) {
    let reasons = |list: &[Reason]| {
        list.iter()
            .map(|reason| format!("- {}: {}", reason.path, reason.detail))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let changed = |name: &str| match name {
        "sdl" => !same,
        _ => config.on_market_change != prior.on_market_change,
    };
    // Terraform drops a replacement whose path does not change, so it is put on one that does.
    let path = ["sdl", "on_market_change"].into_iter().find(|name| changed(name));
    let on_market_change = config.on_market_change.as_deref().unwrap_or("keep");
    if !change.replace.is_empty() && !same {
        replace.push(Path::root("sdl"));
        diagnostics.warning_at(
            &Path::root("sdl"),
            "The deployment is replaced",
            format!(
                "The chain can change a deployment's manifest, not what it asks of providers. These parts of the SDL \
                 force a new deployment; data of the old one is lost:\n{}",
                reasons(&change.replace)
            ),
        );
    } else if !change.market.is_empty() && on_market_change == "replace" {
        if let Some(path) = path {
            replace.push(Path::root(path));
            diagnostics.warning_at(
                &Path::root(path),
                "The deployment is replaced",
                format!(
                    "`on_market_change` is \"replace\", and these parts of the SDL differ:\n{}",
                    reasons(&change.market)
                ),
            );
        }
    } else if !change.market.is_empty() && !same && replace.is_empty() {
        diagnostics.warning_at(
            &Path::root("sdl"),
            "The change does not reach the deployment that runs",
            format!(
                "The chain can't change these in a deployment that exists, and a restarted group has the old values too. \
                 The new text is recorded and applies when the deployment is next created; set `on_market_change = \
                 \"replace\"` to create it anew now. Caps that must hold now belong into the lease's `select`.\n{}",
                reasons(&change.market)
            ),
        );
    }
}

/// Whether it gets another name than the one it was created under, which only a new one can have.
fn renamed(config: &Deployment, prior: &Deployment) -> bool {
    match (&prior.name, &config.name) {
        (Value::Known(old), Value::Known(new)) => old != new,
        (Value::Known(_), Value::Unknown) => true,
        _ => false,
    }
}

/// Warns of a name that is given later to a deployment that was not created under it.
fn tell_recorded_name(config: &Deployment, prior: &Deployment, diagnostics: &mut Diagnostics) {
    let (Value::Null, Value::Known(name)) = (&prior.name, &config.name) else { return };
    let (owner, number) =
        (prior.owner.as_deref().unwrap_or_default(), prior.dseq.as_deref().unwrap_or_default());
    // A name is closed and created again only so often; past that it is not told apart from another's.
    let of_name = (0..64).any(|generation| dseq::named(owner, name, generation).to_string() == number);
    if !of_name {
        diagnostics.warning_at(
            &Path::root("name"),
            "The name is only recorded",
            format!(
                "Deployment {number} was not created under the name \"{name}\", so the chain does not keep another \
                 deployment from taking it. It gets the name's own number when it is next created."
            ),
        );
    }
}

/// What a deposit would add to what was put in so far, in uact; `None` where nothing is missing.
pub(super) fn top_up(config: &Deployment, prior: &Deployment) -> Option<u128> {
    let wanted: Coin = config.deposit.as_deref()?.parse().ok()?;
    let deposited: Dec = prior.deposited.as_deref().unwrap_or("0").parse().ok()?;
    let missing = i128::try_from(wanted.amount).ok()?.checked_sub(deposited.trunc())?;
    u128::try_from(missing).ok().filter(|missing| *missing > 0)
}

#[cfg(test)]
mod tests;
