//! The ids of resources as Terraform shows them: `OWNER/DSEQ` of a deployment, `OWNER/DSEQ/GSEQ` of a lease. The
//! order's number is not part of a lease's id: the lease stays the same resource when it is repaired or moved.

use std::fmt;

use akash_chain::is_address;
use serde::{Deserialize, Serialize};
use tfplugin::Value;

/// A deployment's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct DeploymentRef {
    /// The account's address.
    pub(crate) owner: String,
    /// The deployment's sequence number; never 0.
    pub(crate) dseq: u64,
}

impl fmt::Display for DeploymentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.dseq)
    }
}

impl DeploymentRef {
    /// Reads `DSEQ` (of `wallet`) or `OWNER/DSEQ`. The error says what the form is.
    pub(crate) fn parse(text: &str, wallet: Option<&str>) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [dseq] => Self::of(None, dseq, wallet),
            [owner, dseq] => Self::of(Some(owner), dseq, wallet),
            _ => Err(format!("`{text}` is not DSEQ or OWNER/DSEQ")),
        }
    }

    /// From an owner, by default the wallet, and a dseq in decimal digits.
    pub(crate) fn of(owner: Option<&str>, dseq: &str, wallet: Option<&str>) -> Result<Self, String> {
        let owner = owner.or(wallet).ok_or("there is no wallet, so the owner must be named: OWNER/DSEQ")?;
        if !is_address(owner) {
            return Err(format!("`{owner}` is not an account address of Akash (`akash1…`)"));
        }
        match dseq.parse() {
            Ok(dseq) if dseq > 0 => Ok(Self { owner: owner.to_owned(), dseq }),
            _ => Err(format!("`{dseq}` is not a dseq: digits, more than 0")),
        }
    }
}

/// A lease's id: the group that it is a lease of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct GroupRef {
    /// The deployment.
    pub(crate) deployment: DeploymentRef,
    /// The group, counted from 1.
    pub(crate) gseq: u32,
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.deployment, self.gseq)
    }
}

impl GroupRef {
    /// Reads `OWNER/DSEQ/GSEQ`, or `DSEQ/GSEQ` of `wallet`. The error says what the form is.
    pub(crate) fn parse(text: &str, wallet: Option<&str>) -> Result<Self, String> {
        let (deployment, gseq) =
            text.rsplit_once('/').ok_or_else(|| format!("`{text}` is not OWNER/DSEQ/GSEQ"))?;
        let deployment = DeploymentRef::parse(deployment, wallet)?;
        match gseq.parse() {
            Ok(gseq) if gseq > 0 => Ok(Self { deployment, gseq }),
            _ => Err(format!("`{gseq}` is not a gseq: digits, more than 0")),
        }
    }
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
            assert_eq!(DeploymentRef::parse(&text, Some(OWNER)).unwrap().to_string(), format!("{OWNER}/42"));
        }
        let lease = GroupRef::parse(&format!("{OWNER}/18446744073709551615/3"), None).unwrap();
        assert_eq!((lease.deployment.dseq, lease.gseq), (u64::MAX, 3));
        assert_eq!(lease.to_string(), format!("{OWNER}/18446744073709551615/3"));
    }

    #[test]
    fn refusals() {
        for text in ["", "0", "-1", "x", "akash1x/1", "a/b/c", "1.5"] {
            assert!(DeploymentRef::parse(text, Some(OWNER)).is_err(), "{text}");
        }
        assert!(DeploymentRef::parse("42", None).unwrap_err().contains("OWNER/DSEQ"));
        for text in ["42", "42/0", "42/x"] {
            assert!(GroupRef::parse(text, Some(OWNER)).is_err(), "{text}");
        }
    }
}
