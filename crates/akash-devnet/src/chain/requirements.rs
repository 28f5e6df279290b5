//! What an order asks of a provider, as the chain checks it when a bid comes, and the provider before it bids.
//!
//! Rules: chain-sdk `go/node/deployment/v1beta4/groupspec.go` (MatchRequirements, MatchResourcesRequirements) over
//! `go/node/types/attributes/v1/attribute.go`.

use akash_proto::akash::{base::attributes::v1::Attribute, deployment::v1beta4::GroupSpec};

use super::state::State;

/// Whether the key and the value are what is asked for. A `*` at the key's end stands for one part of a path.
fn fits(wanted: &Attribute, has: &Attribute) -> bool {
    let same_key = match wanted.key.split_once('*') {
        None => has.key == wanted.key,
        Some((start, _)) => {
            has.key.starts_with(start) && has.key.matches('/').count() == start.matches('/').count()
        }
    };
    same_key && has.value == wanted.value
}

fn has_all(wanted: &[Attribute], has: &[Attribute]) -> bool {
    wanted.iter().all(|wanted| has.iter().any(|has| fits(wanted, has)))
}

/// Whether a provider has the attributes an order asks for or, where signatures are asked for, whether those have them.
pub fn signed(state: &State, spec: &GroupSpec, provider: &str, attributes: &[Attribute]) -> bool {
    let Some(requirements) = &spec.requirements else { return true };
    let wanted = &requirements.attributes;
    let by = |auditor: &String| {
        let key = (provider.to_owned(), auditor.clone());
        state.audits.get(&key).is_some_and(|audit| has_all(wanted, &audit.attributes))
    };
    match &requirements.signed_by {
        Some(signed_by) if !(signed_by.all_of.is_empty() && signed_by.any_of.is_empty()) => {
            signed_by.all_of.iter().all(by)
                && (signed_by.any_of.is_empty() || signed_by.any_of.iter().any(by))
        }
        _ => has_all(wanted, attributes),
    }
}

/// Whether a provider has the attributes itself, signed or not. The chain does not ask where signatures are asked for;
/// the provider does before it bids.
pub fn owned(spec: &GroupSpec, attributes: &[Attribute]) -> bool {
    spec.requirements.as_ref().is_none_or(|requirements| has_all(&requirements.attributes, attributes))
}

/// What a provider says of itself under `capabilities/NAME`, without that part of the key.
fn capabilities(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    let prefix = format!("capabilities/{name}");
    let found = attributes.iter().filter(|attribute| attribute.key.starts_with(&prefix));
    let rest = found.filter_map(|attribute| {
        let mut parts = attribute.key.splitn(3, '/');
        Some(Attribute { key: parts.nth(2)?.to_owned(), value: attribute.value.clone() })
    });
    rest.collect()
}

/// Whether a provider's capabilities cover the storage and one of the GPUs of each unit of a group.
pub fn capable(spec: &GroupSpec, attributes: &[Attribute]) -> bool {
    let gpus = capabilities(attributes, "gpu");
    let storage = capabilities(attributes, "storage");
    let kind = |number: &str| -> Vec<Attribute> {
        let of_kind = storage.iter().filter_map(|one| {
            let (found, key) = one.key.split_once('/')?;
            let plain = found == number && !key.contains('/');
            plain.then(|| Attribute { key: key.to_owned(), value: one.value.clone() })
        });
        of_kind.collect()
    };
    let numbers: Vec<&str> = storage.iter().filter_map(|one| Some(one.key.split_once('/')?.0)).collect();
    spec.resources.iter().filter_map(|unit| unit.resource.as_ref()).all(|resource| {
        let volumes = resource.storage.iter().all(|volume| {
            volume.attributes.is_empty()
                || numbers.iter().any(|number| has_all(&volume.attributes, &kind(number)))
        });
        // With 0 units there are no attributes (reference: akash 4.4).
        let gpu = resource.gpu.as_ref().is_none_or(|gpu| {
            gpu.attributes.is_empty()
                || gpu
                    .attributes
                    .iter()
                    .any(|wanted| gpus.iter().any(|has| has.key.contains('/') && fits(wanted, has)))
        });
        volumes && gpu
    })
}

#[cfg(test)]
mod tests {
    use akash_proto::akash::{
        base::resources::v1beta4::{Gpu, Resources, Storage},
        deployment::v1beta4::ResourceUnit,
    };

    use super::*;

    fn attributes(keys: &[(&str, &str)]) -> Vec<Attribute> {
        keys.iter().map(|(key, value)| Attribute { key: (*key).into(), value: (*value).into() }).collect()
    }

    fn unit(gpu: &[(&str, &str)], volume: &[(&str, &str)]) -> GroupSpec {
        let resource = Resources {
            gpu: Some(Gpu { attributes: attributes(gpu), ..Gpu::default() }),
            storage: vec![Storage { attributes: attributes(volume), ..Storage::default() }],
            ..Resources::default()
        };
        let unit = ResourceUnit { resource: Some(resource), ..ResourceUnit::default() };
        GroupSpec { resources: vec![unit], ..GroupSpec::default() }
    }

    #[test]
    fn one_gpu_and_one_kind_of_storage() {
        let any = [("vendor/nvidia/model/*", "true")];
        let either = [("vendor/nvidia/model/a100", "true"), ("vendor/nvidia/model/h100", "true")];
        let own = |key| [("capabilities/storage/1/persistent", "false"), (key, "true")];
        for (wanted, key, fits) in [
            (&any[..], "capabilities/gpu/vendor/nvidia/model/a100", true),
            (&any, "capabilities/gpu/vendor/nvidia/model/a100/ram/80Gi", false),
            (&either, "capabilities/gpu/vendor/nvidia/model/h100", true),
            (&either, "capabilities/gpu/vendor/nvidia/model/h200", false),
            (&[], "x", true),
        ] {
            assert_eq!(capable(&unit(wanted, &[]), &attributes(&own(key))), fits, "{wanted:?} {key}");
        }
        let volume = |persistent| unit(&[], &[("class", "ram"), ("persistent", persistent)]);
        let own = attributes(&[
            ("capabilities/storage/1/persistent", "false"),
            ("capabilities/storage/1/class", "ram"),
            ("capabilities/storage/2/persistent", "true"),
            ("capabilities/storage/2/class", "beta3"),
        ]);
        assert!(capable(&volume("false"), &own) && !capable(&volume("true"), &own));
    }
}
