//! The forms of names: services, hosts, env variables, attribute keys, denominations, IP endpoints.
//!
//! Each is a pattern of the network's parser, written out. This file must not know where a name stands.

/// Service: `^[a-z]([-a-z0-9]*[a-z0-9])?$` (chain-sdk `go/manifest/v2beta3/manifest.go`).
pub(crate) fn is_service(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && is_label(name)
}

/// Host: an RFC 1123 subdomain, at most 253 characters (Kubernetes `IsDNS1123Subdomain`).
pub(crate) fn is_host(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// What to do about a text that is no host.
pub(crate) fn host_hint(text: &str) -> &'static str {
    if text.contains("://") {
        "write the host alone, without `https://` and path"
    } else if text.contains('*') {
        "write each host out: wildcards are not taken"
    } else if text.contains('/') {
        "write the host alone, without a path"
    } else if text.contains(':') {
        "write the host alone, without a port"
    } else if text.chars().any(char::is_uppercase) {
        "write it in lower case"
    } else {
        "write a DNS name, for example `www.example.com`"
    }
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
}

/// Env variable: `[-._a-zA-Z][-._a-zA-Z0-9]*`, not `.`, not beginning with `..` (Kubernetes `IsEnvVarName`).
pub(crate) fn is_env(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let starts = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    starts && name.bytes().all(allowed) && name != "." && !name.starts_with("..")
}

/// IP endpoint: `^[a-z]+[-_a-z0-9]+$`, so at least two characters (chain-sdk `go/sdl/v2.go`).
pub(crate) fn is_endpoint(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    name.len() >= 2 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(allowed)
}

/// Attribute key: `^([a-zA-Z][\w\/\.\-]{1,126}[\w\*]?)$` (chain-sdk `go/node/types/attributes/v1`).
pub(crate) fn is_attribute_key(key: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let middle = |byte: u8| word(byte) || b"/.-".contains(&byte);
    let fits = |key: &[u8]| match key {
        [first, rest @ ..] => {
            first.is_ascii_alphabetic() && (1..=126).contains(&rest.len()) && rest.iter().copied().all(middle)
        }
        [] => false,
    };
    let bytes = key.as_bytes();
    match bytes.split_last() {
        Some((&last, rest)) => fits(bytes) || (word(last) || last == b'*') && fits(rest),
        None => false,
    }
}

/// Denomination: `[a-zA-Z][a-zA-Z0-9/:._-]{2,127}` (Cosmos SDK).
pub(crate) fn is_denom(denom: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/:._-".contains(&byte);
    (3..=128).contains(&denom.len())
        && denom.starts_with(|c: char| c.is_ascii_alphabetic())
        && denom.bytes().all(allowed)
}

/// Whether `http://` and the text make a request URI for Go's `url.ParseRequestURI`. Hosts of services that are used must
/// be [`is_host`] besides.
pub(crate) fn is_request_host(text: &str) -> bool {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7F) {
        return false;
    }
    let without_query = text.split_once('?').map_or(text, |(before, _)| before);
    let at = without_query.find('/').unwrap_or(without_query.len());
    let (authority, path) = without_query.split_at(at);
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let user_fits = user.is_none_or(|user| user.bytes().all(is_user_byte) && escapes_fit(user, |_| true));
    user_fits && is_uri_host(host) && escapes_fit(path, |_| true)
}

fn is_user_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)
}

fn is_uri_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(literal) => match literal.rsplit_once(']') {
            Some((address, port)) => (address, port),
            None => return false,
        },
        None => host.rfind(':').map_or((host, ""), |at| host.split_at(at)),
    };
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    let allowed =
        |byte: u8| byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte);
    // In a host only bytes outside ASCII may be escaped.
    port_fits && name.bytes().all(allowed) && escapes_fit(name, |byte| byte >= 0x80)
}

/// Every `%` is followed by two hexadecimal digits of a byte that may be escaped.
fn escapes_fit(text: &str, may: impl Fn(u8) -> bool) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).is_some_and(&may)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        type Form = fn(&str) -> bool;
        let table: [(Form, &[&str], &[&str]); 7] = [
            (is_service, &["web", "a", "a-1"], &["", "1a", "Web", "a-", "a_b", "a.b"]),
            (
                is_host,
                &["example.com", "1.a"],
                &["", "Example.com", "a..b", "a.", "*.a", "a:80", "a/b", "a_b"],
            ),
            (is_env, &["A", "_a", "my.env-name", "-x", ".a"], &["", "1A", "A B", ".", "..", "..a", "A$"]),
            (is_endpoint, &["ab", "my-ip_2"], &["", "a", "Ab", "1a", "-a", "a b"]),
            (
                is_attribute_key,
                &["arch", "vendor/nvidia/model/*", "ab"],
                &["", "a", "1ab", "a b", "a*b", "a**"],
            ),
            (is_denom, &["uact", "ibc/0AB"], &["", "ua", "1act", "u act"]),
            (
                is_request_host,
                &["a.com", "A.com:80", "a/b%20", "ä.de"],
                &["a b", "a%zz", "a:x", "a%20", "[::1", "a\u{7f}"],
            ),
        ];
        for (form, good, bad) in table {
            for name in good {
                assert!(form(name), "{name}");
            }
            for name in bad {
                assert!(!form(name), "{name}");
            }
        }
    }
}
