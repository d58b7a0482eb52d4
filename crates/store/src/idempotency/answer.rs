//! How an answer is kept: its headers are a block of lines, as in HTTP.

use mainstay_core::KeptAnswer;

use crate::{
    error::{Cause, StoreError},
    row::Row,
};

/// `name: value` and a line feed for each. Neither holds one, or names hold a colon.
pub(super) fn header_block(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.extend_from_slice(name.as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value);
        block.push(b'\n');
    }
    block
}

fn parse_headers(block: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let lines = block.strip_suffix(b"\n").map_or(&[][..], |lines| lines).split(|b| *b == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    let parse = |line: &[u8]| {
        let at = line.windows(2).position(|pair| pair == b": ")?;
        let name = std::str::from_utf8(&line[..at]).ok()?;
        Some((name.to_owned(), line[at + 2..].to_vec()))
    };
    lines.map(parse).collect()
}

/// The answer of a row, if there is one yet.
pub(super) fn read(row: &Row) -> Result<Option<KeptAnswer>, StoreError> {
    let Some(status) = row.get::<Option<i64>>("status")? else { return Ok(None) };
    let broken = || StoreError::Internal(Cause::text("a kept answer cannot be read"));
    let headers: Vec<u8> = row.get("headers")?;
    Ok(Some(KeptAnswer {
        status: u16::try_from(status).map_err(|_| broken())?,
        code: row.get("code")?,
        headers: parse_headers(&headers).ok_or_else(broken)?,
        body: row.get("body")?,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_are_read_as_they_were_written(
            headers in prop::collection::vec(
                ("[a-z][a-z0-9-]{0,20}", prop::collection::vec(32..=255_u8, 0..40)), 0..6,
            ),
        ) {
            prop_assert_eq!(parse_headers(&header_block(&headers)), Some(headers));
        }

        #[test]
        fn no_block_is_more_than_unreadable(block in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_headers(&block);
        }
    }
}
