//! Groups to and from the chain's messages.
//!
//! This file must not know how groups come out of an SDL.

use akash_proto::akash::base::{attributes::v1 as attributes, resources::v1beta4 as wire};
use akash_proto::akash::deployment::v1beta4::{GroupSpec, ResourceUnit as WireUnit};
use akash_proto::cosmos::base::v1beta1::DecCoin;
use akash_proto::{Dec, Int, NumberError};

use crate::group::{Group, Price, Requirements, ResourceUnit, SignedBy};
use crate::resources::{Attribute, Cpu, Endpoint, EndpointKind, Gpu, Memory, Quantity, Resources, Storage};

impl Group {
    /// The message for `MsgCreateDeployment.groups`.
    pub fn to_proto(&self) -> GroupSpec {
        let signed_by = attributes::SignedBy {
            all_of: self.requirements.signed_by.all_of.clone().unwrap_or_default(),
            any_of: self.requirements.signed_by.any_of.clone().unwrap_or_default(),
        };
        let requirements = attributes::PlacementRequirements {
            signed_by: Some(signed_by),
            attributes: to_attributes(self.requirements.attributes.as_deref().unwrap_or_default()),
        };
        GroupSpec {
            name: self.name.clone(),
            requirements: Some(requirements),
            resources: self.resources.iter().map(to_unit).collect(),
        }
    }

    /// The group of a message, for example of a deployment read from the chain. The chain does not keep null and empty
    /// lists apart: empty ones become `None`. Errors when a number is not in its form.
    pub fn from_proto(spec: &GroupSpec) -> Result<Self, NumberError> {
        let requirements = spec.requirements.as_ref();
        let signed_by = requirements.and_then(|requirements| requirements.signed_by.as_ref());
        let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let attributes = requirements.map(|requirements| from_attributes(&requirements.attributes));
        Ok(Self {
            name: spec.name.clone(),
            requirements: Requirements {
                attributes: attributes.filter(|attributes| !attributes.is_empty()),
                signed_by: SignedBy {
                    all_of: signed_by.and_then(|signed_by| some(&signed_by.all_of)),
                    any_of: signed_by.and_then(|signed_by| some(&signed_by.any_of)),
                },
            },
            resources: spec.resources.iter().map(from_unit).collect::<Result<_, _>>()?,
        })
    }
}

fn to_attributes(list: &[Attribute]) -> Vec<attributes::Attribute> {
    list.iter()
        .map(|Attribute { key, value }| attributes::Attribute { key: key.clone(), value: value.clone() })
        .collect()
}

fn from_attributes(list: &[attributes::Attribute]) -> Vec<Attribute> {
    list.iter().map(|attribute| Attribute::new(&attribute.key, &attribute.value)).collect()
}

fn to_value(quantity: Quantity) -> Option<wire::ResourceValue> {
    Some(Int(quantity.val).into())
}

fn from_value(value: Option<&wire::ResourceValue>) -> Result<Quantity, NumberError> {
    Ok(value.map(Int::try_from).transpose()?.unwrap_or_default().0.into())
}

fn to_unit(unit: &ResourceUnit) -> WireUnit {
    let Resources { cpu, endpoints, gpu, id, memory, storage } = &unit.resource;
    let storage = storage.iter().map(|volume| wire::Storage {
        name: volume.name.clone(),
        quantity: to_value(volume.size),
        attributes: to_attributes(&volume.attributes),
    });
    let endpoints = endpoints.iter().map(|endpoint| wire::Endpoint {
        kind: endpoint.kind.number().into(),
        sequence_number: endpoint.sequence_number,
    });
    let resource = wire::Resources {
        id: *id,
        cpu: Some(wire::Cpu { units: to_value(cpu.units), attributes: to_attributes(&cpu.attributes) }),
        memory: Some(wire::Memory {
            quantity: to_value(memory.size),
            attributes: to_attributes(&memory.attributes),
        }),
        storage: storage.collect(),
        gpu: Some(wire::Gpu { units: to_value(gpu.units), attributes: to_attributes(&gpu.attributes) }),
        endpoints: endpoints.collect(),
    };
    let price = DecCoin { denom: unit.price.denom.clone(), amount: unit.price.amount.to_wire() };
    WireUnit { resource: Some(resource), count: unit.count, price: Some(price) }
}

fn from_unit(unit: &WireUnit) -> Result<ResourceUnit, NumberError> {
    let resource = unit.resource.clone().unwrap_or_default();
    let (cpu, gpu, memory) = (
        resource.cpu.unwrap_or_default(),
        resource.gpu.unwrap_or_default(),
        resource.memory.unwrap_or_default(),
    );
    let storage = resource.storage.iter().map(|volume| {
        Ok(Storage {
            attributes: from_attributes(&volume.attributes),
            name: volume.name.clone(),
            size: from_value(volume.quantity.as_ref())?,
        })
    });
    let endpoints = resource.endpoints.iter().map(|endpoint| {
        let kind = u64::try_from(endpoint.kind).ok().and_then(EndpointKind::from_number);
        let kind = kind.ok_or_else(|| NumberError::Integer(endpoint.kind.to_string()))?;
        Ok(Endpoint { kind, sequence_number: endpoint.sequence_number })
    });
    let price = unit.price.clone().unwrap_or_default();
    Ok(ResourceUnit {
        count: unit.count,
        price: Price { amount: Dec::from_wire(&price.amount)?, denom: price.denom },
        resource: Resources {
            cpu: Cpu { attributes: from_attributes(&cpu.attributes), units: from_value(cpu.units.as_ref())? },
            endpoints: endpoints.collect::<Result<_, NumberError>>()?,
            gpu: Gpu { attributes: from_attributes(&gpu.attributes), units: from_value(gpu.units.as_ref())? },
            id: resource.id,
            memory: Memory {
                attributes: from_attributes(&memory.attributes),
                size: from_value(memory.quantity.as_ref())?,
            },
            storage: storage.collect::<Result<_, NumberError>>()?,
        },
    })
}
