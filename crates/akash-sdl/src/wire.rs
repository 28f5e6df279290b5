//! Groups as the chain's messages hold them, and back.
//!
//! The protobuf form has no difference between an absent list and an empty one: read back, both are absent.

use akash_proto::akash::base::{
    attributes::v1 as attributes,
    resources::v1beta4::{self as resources, ResourceValue},
};
use akash_proto::akash::deployment::v1beta4 as deployment;
use akash_proto::cosmos::base::v1beta1::DecCoin;
use akash_proto::{Dec, Int, NumberError};

use crate::{
    Attribute, Cpu, Endpoint, EndpointKind, Gpu, Group, Memory, Price, Quantity, Requirements, ResourceUnit, Resources,
    SignedBy, Storage,
};

impl Group {
    /// The group as `MsgCreateDeployment` takes it.
    pub fn to_proto(&self) -> deployment::GroupSpec {
        let signed_by = &self.requirements.signed_by;
        deployment::GroupSpec {
            name: self.name.clone(),
            requirements: Some(attributes::PlacementRequirements {
                signed_by: Some(attributes::SignedBy {
                    all_of: signed_by.all_of.clone().unwrap_or_default(),
                    any_of: signed_by.any_of.clone().unwrap_or_default(),
                }),
                attributes: to_attributes(self.requirements.attributes.as_deref().unwrap_or_default()),
            }),
            resources: self.resources.iter().map(to_unit).collect(),
        }
    }

    /// A group as a query answers it.
    ///
    /// # Errors
    /// When a number in it is not in its form.
    pub fn from_proto(spec: &deployment::GroupSpec) -> Result<Self, NumberError> {
        let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let requirements = spec.requirements.clone().unwrap_or_default();
        let signed_by = requirements.signed_by.unwrap_or_default();
        let attributes = from_attributes(&requirements.attributes);
        Ok(Self {
            name: spec.name.clone(),
            requirements: Requirements {
                attributes: (!attributes.is_empty()).then_some(attributes),
                signed_by: SignedBy { all_of: some(&signed_by.all_of), any_of: some(&signed_by.any_of) },
            },
            resources: spec.resources.iter().map(from_unit).collect::<Result<_, _>>()?,
        })
    }
}

fn to_attributes(list: &[Attribute]) -> Vec<attributes::Attribute> {
    list.iter().map(|one| attributes::Attribute { key: one.key.clone(), value: one.value.clone() }).collect()
}

fn from_attributes(list: &[attributes::Attribute]) -> Vec<Attribute> {
    list.iter().map(|one| Attribute::new(one.key.clone(), one.value.clone())).collect()
}

fn to_quantity(quantity: Quantity) -> Option<ResourceValue> {
    Some(Int(quantity.val).into())
}

fn from_quantity(value: Option<&ResourceValue>) -> Result<Quantity, NumberError> {
    let val = value.map_or(Ok(0), |value| Int::try_from(value).map(|int| int.0))?;
    Ok(Quantity { val })
}

fn to_unit(unit: &ResourceUnit) -> deployment::ResourceUnit {
    deployment::ResourceUnit {
        resource: Some(to_resources(&unit.resource)),
        count: unit.count,
        price: Some(DecCoin { denom: unit.price.denom.clone(), amount: unit.price.amount.to_wire() }),
    }
}

fn from_unit(unit: &deployment::ResourceUnit) -> Result<ResourceUnit, NumberError> {
    let price = unit.price.clone().unwrap_or_default();
    Ok(ResourceUnit {
        count: unit.count,
        price: Price { amount: Dec::from_wire(&price.amount)?, denom: price.denom },
        resource: from_resources(&unit.resource.clone().unwrap_or_default())?,
    })
}

fn to_resources(from: &Resources) -> resources::Resources {
    resources::Resources {
        id: from.id,
        cpu: Some(resources::Cpu {
            units: to_quantity(from.cpu.units),
            attributes: to_attributes(&from.cpu.attributes),
        }),
        memory: Some(resources::Memory {
            quantity: to_quantity(from.memory.size),
            attributes: to_attributes(&from.memory.attributes),
        }),
        storage: from
            .storage
            .iter()
            .map(|volume| resources::Storage {
                name: volume.name.clone(),
                quantity: to_quantity(volume.size),
                attributes: to_attributes(&volume.attributes),
            })
            .collect(),
        gpu: Some(resources::Gpu {
            units: to_quantity(from.gpu.units),
            attributes: to_attributes(&from.gpu.attributes),
        }),
        endpoints: from
            .endpoints
            .iter()
            .map(|endpoint| resources::Endpoint {
                kind: endpoint.kind.number().into(),
                sequence_number: endpoint.sequence_number,
            })
            .collect(),
    }
}

fn from_resources(from: &resources::Resources) -> Result<Resources, NumberError> {
    let (cpu, memory, gpu) =
        (from.cpu.clone().unwrap_or_default(), from.memory.clone().unwrap_or_default(), from.gpu.clone().unwrap_or_default());
    let storage = from.storage.iter().map(|volume| {
        let size = from_quantity(volume.quantity.as_ref())?;
        Ok(Storage { attributes: from_attributes(&volume.attributes), name: volume.name.clone(), size })
    });
    let endpoints = from.endpoints.iter().map(|endpoint| {
        let number = u64::try_from(endpoint.kind).unwrap_or(u64::MAX);
        let kind = EndpointKind::from_number(number)
            .ok_or_else(|| NumberError::Integer(format!("endpoint kind {}", endpoint.kind)))?;
        Ok(Endpoint { kind, sequence_number: endpoint.sequence_number })
    });
    Ok(Resources {
        cpu: Cpu { attributes: from_attributes(&cpu.attributes), units: from_quantity(cpu.units.as_ref())? },
        endpoints: endpoints.collect::<Result<_, _>>()?,
        gpu: Gpu { attributes: from_attributes(&gpu.attributes), units: from_quantity(gpu.units.as_ref())? },
        id: from.id,
        memory: Memory {
            attributes: from_attributes(&memory.attributes),
            size: from_quantity(memory.quantity.as_ref())?,
        },
        storage: storage.collect::<Result<_, _>>()?,
    })
}
