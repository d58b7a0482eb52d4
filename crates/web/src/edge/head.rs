//! What can be judged from the head alone: the target, the host, the announced body.

use axum::{
    extract::Request,
    http::{HeaderMap, Version, header},
};

use super::arrival::Host;
use crate::{codes, endpoint::Settled, respond::Problem};

/// RFC 9112 section 3.2: a request of HTTP/1.1 has exactly one valid `Host`.
pub(super) fn check_target(
    request: &Request,
    host: Host,
    uri_bytes_max: usize,
) -> Result<(), Problem> {
    let uri = request.uri();
    let length = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if length > uri_bytes_max {
        return Err(Problem::new(codes::URI_TOO_LONG));
    }
    let valid = match host {
        Host::Valid => true,
        Host::Invalid => false,
        // HTTP/2 says it in `:authority`, HTTP/1.0 need not say it, and HTTP/1.1 must even when the
        // target holds it.
        Host::Missing => match request.version() {
            Version::HTTP_09 | Version::HTTP_10 => true,
            Version::HTTP_11 => false,
            _ => uri.authority().is_some(),
        },
    };
    let authority = uri.authority().is_none_or(|named| is_host(named.as_str().as_bytes()));
    if valid && authority { Ok(()) } else { Err(Problem::new(codes::INVALID_HOST)) }
}

/// Whether a byte may be in the `reg-name` of a host (RFC 3986 section 3.2.2).
const IN_HOSTS: [bool; 256] = {
    let mut allowed = [false; 256];
    let marks = b"-._~%!$&'()*+,;=";
    let mut byte = 0;
    while byte < allowed.len() {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < marks.len() {
        allowed[marks[at] as usize] = true;
        at += 1;
    }
    allowed
};

/// `uri-host [ ":" port ]` of RFC 9110 section 7.2; user information is not allowed.
pub(super) fn is_host(text: &[u8]) -> bool {
    let (is_host, port) = if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
        let address = str::from_utf8(&rest[..end]).unwrap_or_default();
        (address.parse::<std::net::Ipv6Addr>().is_ok(), &rest[end + 1..])
    } else {
        let end = text.iter().position(|byte| !IN_HOSTS[usize::from(*byte)]);
        let (host, port) = text.split_at(end.unwrap_or(text.len()));
        (!host.is_empty(), port)
    };
    is_host && (port.is_empty() || port.strip_prefix(b":").is_some_and(is_port))
}

fn is_port(text: &[u8]) -> bool {
    let add = |port: u16, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    };
    text.iter().try_fold(0, add).is_some()
}

/// Refuses by the announced size and the media type, before anything is counted or read.
pub(super) fn check_body(request: &Request, endpoint: &Settled) -> Result<(), Problem> {
    let Some(body) = &endpoint.body else { return Ok(()) };
    let headers = request.headers();
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > endpoint.body_bytes_max as u64) {
        return Err(Problem::new(codes::PAYLOAD_TOO_LARGE));
    }
    if takes_media_type(headers, body.media_types) && is_plain(headers) {
        Ok(())
    } else {
        Err(Problem::new(codes::UNSUPPORTED_MEDIA_TYPE)
            .with_detail(format!("takes {} in UTF-8", body.media_types.join(" or "))))
    }
}

/// One `Content-Type` of the list, with no charset but UTF-8 (RFC 8259 section 8.1).
fn takes_media_type(headers: &HeaderMap, media_types: &[&str]) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let essence = essence.trim();
    let known = media_types.iter().any(|known| essence.eq_ignore_ascii_case(known));
    known && parameters.split(';').all(is_harmless_parameter)
}

/// RFC 8259 defines no parameter; only a charset could change what the bytes mean.
fn is_harmless_parameter(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return parameter.trim().is_empty();
    };
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || value.eq_ignore_ascii_case("utf-8")
        || value.eq_ignore_ascii_case("utf8")
}

/// No content coding: compressed requests are not taken, which leaves no decompression bomb.
fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_other_text() {
        for good in
            ["localhost", "localhost:8080", "127.0.0.1:80", "[::1]", "[::1]:8080", "a-b.c_d:"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "user@host",
            "a/b",
            "host:99999",
            "host:x",
            "host:+80",
            "[::1]:-1",
            "[::1",
            "[x]",
            "[::1]8",
            "a:1:2",
            "é",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn media_types_are_compared_without_case_and_parameters_are_judged() {
        let takes = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().expect("a header value"));
            takes_media_type(&headers, &["application/json"])
        };
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=UTF-8",
            "application/json;",
        ] {
            assert!(takes(good), "{good}");
        }
        for bad in ["text/json", "application/json; charset=latin1", "application/jsonx", ""] {
            assert!(!takes(bad), "{bad}");
        }
    }
}
