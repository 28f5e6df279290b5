//! The ids of resources as users write and see them: `OWNER/DSEQ` of a deployment, `OWNER/DSEQ/GSEQ` of a lease. The
//! order's number is not part of a lease's id: the lease stays the same resource when it is repaired or moved.
//!
//! What an identifier is, [`akash_proto::id`] says; here is what users may leave out.

use akash_proto::id::{DeploymentId, GroupId};
use serde::{Deserialize, Serialize};
use tfplugin::Value;

/// Reads `DSEQ` (of `wallet`) or `OWNER/DSEQ`. The error says what the form is.
pub(crate) fn deployment(text: &str, wallet: Option<&str>) -> Result<DeploymentId, String> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [dseq] => deployment_of(None, dseq, wallet),
        [owner, dseq] => deployment_of(Some(owner), dseq, wallet),
        _ => Err(format!("`{text}` is not DSEQ or OWNER/DSEQ")),
    }
}

/// From an owner, by default the wallet, and a dseq in decimal digits.
pub(crate) fn deployment_of(
    owner: Option<&str>,
    dseq: &str,
    wallet: Option<&str>,
) -> Result<DeploymentId, String> {
    let owner = owner.or(wallet).ok_or("there is no wallet, so the owner must be named: OWNER/DSEQ")?;
    DeploymentId::from_parts(owner, dseq).map_err(|error| error.to_string())
}

/// Reads `OWNER/DSEQ/GSEQ`, or `DSEQ/GSEQ` of `wallet`. The error says what the form is.
pub(crate) fn group(text: &str, wallet: Option<&str>) -> Result<GroupId, String> {
    let (outer, gseq) = text.rsplit_once('/').ok_or_else(|| format!("`{text}` is not OWNER/DSEQ/GSEQ"))?;
    let group = deployment(outer, wallet)?.group(gseq.parse().unwrap_or_default());
    group.map_err(|_| format!("`{gseq}` is not a gseq: digits, more than 0"))
}

/// From a lease's identity.
pub(crate) fn group_of(identity: &LeaseIdentity, wallet: Option<&str>) -> Result<GroupId, String> {
    let dseq = identity.dseq.as_deref().unwrap_or_default();
    let deployment = deployment_of(identity.owner.as_deref(), dseq, wallet)?;
    deployment.group(identity.gseq.clone().unwrap_or_default()).map_err(|_| "gseq counts from 1".to_owned())
}

/// What identifies a deployment outside of Terraform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeploymentIdentity {
    /// The wallet where it is not given.
    pub(crate) owner: Value<String>,
    /// Decimal digits.
    pub(crate) dseq: Value<String>,
}

/// What identifies a lease outside of Terraform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LeaseIdentity {
    /// The wallet where it is not given.
    pub(crate) owner: Value<String>,
    /// Decimal digits.
    pub(crate) dseq: Value<String>,
    /// Counted from 1.
    pub(crate) gseq: Value<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";

    #[test]
    fn forms() {
        for text in [format!("{OWNER}/42"), "42".to_owned()] {
            assert_eq!(deployment(&text, Some(OWNER)).unwrap().to_string(), format!("{OWNER}/42"));
        }
        let lease = group(&format!("{OWNER}/18446744073709551615/3"), None).unwrap();
        assert_eq!((lease.dseq(), lease.gseq()), (u64::MAX, 3));
        assert_eq!(lease.to_string(), format!("{OWNER}/18446744073709551615/3"));
    }

    #[test]
    fn refusals() {
        for text in ["", "0", "-1", "x", "akash1x/1", "a/b/c", "1.5"] {
            assert!(deployment(text, Some(OWNER)).is_err(), "{text}");
        }
        assert!(deployment("42", None).unwrap_err().contains("OWNER/DSEQ"));
        for text in ["42", "42/0", "42/x"] {
            assert!(group(text, Some(OWNER)).is_err(), "{text}");
        }
    }
}
