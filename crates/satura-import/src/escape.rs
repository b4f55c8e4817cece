//! Showing text that came from a file.

/// How many characters of a text are shown.
const SHOWN: usize = 120;

/// `text` fit for a terminal: control characters, line breaks, and marks that reorder or hide text are written as `\u{..}`; what is beyond 120 characters
/// is cut, with the number of characters left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN));
    for (shown, c) in text.chars().enumerate() {
        if shown == SHOWN {
            out.push_str(&format!("... ({} more)", text.chars().count() - shown));
            break;
        }
        match c {
            '\n' | '\r' | '\t' | '\0' | '\\' => out.extend(c.escape_default()),
            _ if c.is_control() || hides(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// Zero-width characters, direction marks and overrides, line and paragraph separators, tags, variation selectors, private use.
fn hides(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff
        | 0xe000..=0xf8ff | 0xe0000..=0x10ffff)
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn hostile_text_is_harmless() {
        assert_eq!(escape("conv/é 1"), "conv/é 1");
        assert_eq!(escape("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(escape("x\u{202e}y\0"), "x\\u{202e}y\\u{0}");
        assert_eq!(escape(&"a".repeat(130)), format!("{}... (10 more)", "a".repeat(120)));
    }
}
