//! `profiles.placement`: attributes, auditors and prices.

use akash_proto::Dec;

use super::{D, is_flat, rule, text};
use crate::decode::{Map, shown};
use crate::diagnostic::Kind;
use crate::yaml::NodeId;

/// `profiles.placement.NAME`.
#[derive(Debug, Default)]
pub(crate) struct Placement<'t> {
    pub(crate) attributes: Map<'t, &'t str>,
    pub(crate) all_of: Option<Vec<&'t str>>,
    pub(crate) any_of: Option<Vec<&'t str>>,
    pub(crate) pricing: Map<'t, Option<Coin<'t>>>,
}

/// A price per block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coin<'t> {
    pub(crate) node: NodeId,
    /// `None` if it is beyond the range of [`Dec`], which is far beyond what the network takes for a used price.
    pub(crate) amount: Option<Dec>,
    pub(crate) denom: (NodeId, &'t str),
}

pub(super) fn placement<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Placement<'t>> {
    let mut placement = Placement::default();
    d.fields(id, &["attributes", "signedBy", "pricing"], &mut |d, field, value| match field {
        0 => {
            let read = &mut |d: D<'_, 't, '_>, value| Some(d.string(value).unwrap_or_default());
            d.separately(|d| d.map(value, &mut placement.attributes, read));
        }
        1 => {
            d.fields(value, &["allOf", "anyOf"], &mut |d, field, value| match field {
                0 => placement.all_of = d.strings(value),
                _ => placement.any_of = d.strings(value),
            });
        }
        _ => {
            let before = d.diagnostics.len();
            d.map(value, &mut placement.pricing, &mut |d, value| Some(d.separately(|d| coin(d, value))));
            if d.diagnostics.len() > before && is_flat(d, value, &["denom", "amount"]) {
                // One price for all: both keys are refused, and it is one mistake.
                d.diagnostics.truncate(before);
                let message = "`pricing` must have a price for each compute profile".into();
                let hint = "write the name of the profile above `denom` and `amount`: `web: {denom: uact, amount: N}`";
                d.error(Kind::Price, value, rule::COIN, message, Some(hint.into()));
            }
        }
    })
    .then_some(placement)
}

fn coin<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Coin<'t>> {
    if d.is_null(id) {
        return None;
    }
    let before = d.failed.len();
    let (mut amount, mut denom) = ((id, ""), (id, ""));
    let read = d.fields(id, &["denom", "amount"], &mut |d, field, value| match field {
        0 => denom = text(d, value),
        _ => amount = text(d, value),
    });
    if !read || d.failed.len() > before {
        // The error is told already; the entry stays, so that nothing else is said about a missing price.
        return Some(Coin { node: id, amount: Some(Dec::ZERO), denom });
    }
    let number = match decimal(amount.1) {
        Ok(number) => number,
        Err((message, hint)) => {
            refuse(d, ("amount", amount.0, id), message, hint);
            Some(Dec::ZERO)
        }
    };
    if !crate::names::is_denom(denom.1) {
        let message = match denom.1 {
            "" => "the price has no `denom`".into(),
            other => format!("`{}` is not a denomination", shown(other)),
        };
        refuse(d, ("denom", denom.0, id), message, "write `denom: uact`".into());
    }
    Some(Coin { node: amount.0, amount: number, denom })
}

/// An error about a field of a price, at the price if the field is not there.
fn refuse<'t>(
    d: D<'_, 't, '_>,
    (field, node, coin): (&'static str, NodeId, NodeId),
    message: String,
    hint: String,
) {
    if node != coin {
        d.under(field, node, |d| d.error(Kind::Price, node, rule::COIN, message, Some(hint)));
    } else if let Some(cause) = d.causes.at(&format!("{}.{field}", d.path())) {
        d.blame(cause, Kind::Missing, &message);
    } else {
        d.error(Kind::Missing, node, rule::COIN, message, Some(hint));
    }
}

/// 2^315 - 1: the largest scaled amount that the network's decimals hold.
const LARGEST_AMOUNT: &str =
    "66749594872528440074844428317798503581334516323645399060845050244444366430645017188217565216767";

/// An amount: `[+-]digits[.digits]`, at most 18 decimals, above zero. `Ok(None)` beyond the range of [`Dec`].
///
/// A second sign counts too (`--5` is 5 and `+.5` is 0.5): the network takes off one `-`, and its integers take a sign.
fn decimal(text: &str) -> Result<Option<Dec>, (String, String)> {
    let form = || {
        let message = match text {
            "" => "the price has no `amount`".into(),
            _ => format!("`{}` is not an amount", shown(text)),
        };
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let (number, denom) = text.split_at_checked(number.len()).unwrap_or_default();
        let hint = match denom.trim() {
            denom @ ("uact" | "uakt" | "act" | "akt") if decimal(number).is_ok() => {
                format!("write `amount: {number}` without `{denom}`; the denomination is `denom: uact`")
            }
            _ if text.contains(',') => "write a `.` before decimals, and nothing between thousands".into(),
            _ => {
                "write a decimal number with at most 18 digits after the point, for example `10000` or `0.5`"
                    .into()
            }
        };
        (message, hint)
    };
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) if whole.is_empty() || fraction.is_empty() => return Err(form()),
        Some(parts) => parts,
        None => (rest, ""),
    };
    let negative = negative != whole.starts_with('-');
    let whole = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if rest.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return Err(form());
    }
    let scaled = format!("{whole}{fraction:0<18}");
    let scaled = scaled.trim_start_matches('0');
    if scaled.is_empty() {
        return Err((
            "the amount is zero".into(),
            "write the most that one replica may cost a block, in uact".into(),
        ));
    }
    if negative {
        return Err((
            format!("the amount `{}` is negative", shown(text)),
            "write an amount above zero".into(),
        ));
    }
    if (scaled.len(), scaled) > (LARGEST_AMOUNT.len(), LARGEST_AMOUNT) {
        return Err(form());
    }
    Ok(scaled.parse().ok().map(Dec::from_scaled))
}
