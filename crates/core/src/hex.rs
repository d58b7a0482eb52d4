//! Bytes as hexadecimal digits.

/// Both lower-case digits of each byte, as ASCII. `as_flattened` makes one text of them.
///
/// Of neither branches nor a table, so that it becomes vector instructions: ids are written several
/// times for each request.
pub fn hex<const N: usize>(bytes: [u8; N]) -> [[u8; 2]; N] {
    bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)])
}

const fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' - 10 + value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_digits() {
        for byte in 0..=u8::MAX {
            let text = format!("{byte:02x}{:02x}", !byte);
            assert_eq!(hex([byte, !byte]).as_flattened(), text.as_bytes());
        }
    }
}
