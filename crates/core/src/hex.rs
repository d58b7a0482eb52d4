//! Bytes as hexadecimal digits.

/// Both lower-case digits of each byte, as ASCII. `as_flattened` makes one text of them.
pub fn hex<const N: usize>(bytes: [u8; N]) -> [[u8; 2]; N] {
    bytes.map(|byte| PAIRS[usize::from(byte)])
}

/// The digits of every byte: ids are written several times for each request.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

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
