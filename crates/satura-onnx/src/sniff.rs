//! Recognising files of other formats by their first bytes.

/// Signatures: position, bytes, what the file is, what to do with it.
const SIGNATURES: &[(usize, &[u8], &str, &str)] = &[
    (
        0,
        b"PK\x03\x04",
        "a zip archive (PyTorch and Keras models are such)",
        "export the model to ONNX, or unpack the archive",
    ),
    (0, b"PK\x05\x06", "an empty zip archive", "download the file again"),
    (0, b"\x1f\x8b", "a gzip file", "unpack it with gunzip"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it with unzstd"),
    (0, b"BZh", "a bzip2 file", "unpack it with bunzip2"),
    (0, b"\xfd7zXZ\0", "an xz file", "unpack it with unxz"),
    (4, b"TFL3", "a TensorFlow Lite model", "export the model to ONNX"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras models are such)", "export the model to ONNX"),
    (0, b"\x80\x02", "a Python pickle", "export the model to ONNX"),
    (0, b"\x80\x03", "a Python pickle", "export the model to ONNX"),
    (0, b"\x80\x04", "a Python pickle", "export the model to ONNX"),
    (0, b"\x80\x05", "a Python pickle", "export the model to ONNX"),
    (0, b"\x93NUMPY", "a NumPy array", "give it as an input, not as the model"),
    (0, b"GGUF", "a GGUF model", "export the model to ONNX"),
    (0, b"ORTM", "an ONNX Runtime model (.ort)", "use the .onnx file it was made from"),
    (4, b"ORTM", "an ONNX Runtime model (.ort)", "use the .onnx file it was made from"),
    (0, b"\x7fELF", "a program or library", "give the path of the model"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file it points to", "run `git lfs pull`"),
    (8, b"{\"", "a safetensors file (weights without a graph)", "export the model to ONNX"),
];

/// What a file is, if a signature says that it is not ONNX: a description and what to do.
pub(crate) fn by_signature(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    SIGNATURES
        .iter()
        .find(|(at, signature, ..)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(signature)))
        .map(|(_, _, what, help)| (*what, *help))
}

/// What a file that is not ONNX is, if it is text.
pub(crate) fn by_text(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let head = &bytes[..bytes.len().min(1024)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The cut may be inside a character.
        Err(error) if error.valid_up_to() + 4 > head.len() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.is_empty() || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')) {
        return None;
    }
    let start = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Some(("an HTML page", "the download probably gave an error page: download the model again"));
    }
    if start.starts_with("<?xml") {
        return Some(("an XML file", "give the path of the .onnx file"));
    }
    if start.starts_with('{') || start.starts_with('[') {
        return Some(("a JSON file", "give the path of the .onnx file"));
    }
    Some(("a text file", "give the path of the .onnx file"))
}

#[cfg(test)]
mod tests {
    use super::{by_signature, by_text};

    #[test]
    fn texts() {
        assert_eq!(by_text(b"\xef\xbb\xbf <HTML>404").expect("text").0, "an HTML page");
        assert_eq!(by_text("größe\n".as_bytes()).expect("text").0, "a text file");
        assert_eq!(by_text(b"\x08\x07\x12"), None);
        assert_eq!(by_text(b""), None);
        assert_eq!(by_signature(b"\x1c\0\0\0TFL3").expect("known").0, "a TensorFlow Lite model");
        assert_eq!(by_signature(b"PK"), None);
    }
}
