//! Package URLs: `pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS` (Package-URL specification, ECMA-427).

use std::fmt::Write;

/// A binary package of a Debian-like distribution (type `deb`).
pub(crate) fn deb(
    distribution: &str,
    release: &str,
    name: &str,
    version: &str,
    architecture: &str,
) -> String {
    format!(
        "pkg:deb/{}/{}@{}?arch={}&distro={}",
        encode(distribution),
        encode(name),
        encode(version),
        encode(architecture),
        encode(release)
    )
}

/// A crate of crates.io (type `cargo`).
pub(crate) fn cargo(name: &str, version: &str) -> String {
    format!("pkg:cargo/{}@{}", encode(name), encode(version))
}

/// Percent-encodes all but what the specification leaves as it is.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_signs_are_encoded_and_epochs_are_not() {
        assert_eq!(
            deb("debian", "trixie", "libstdc++6", "1:14.2~rc+b1", "amd64"),
            "pkg:deb/debian/libstdc%2B%2B6@1:14.2~rc%2Bb1?arch=amd64&distro=trixie"
        );
        assert_eq!(cargo("zstd-sys", "2.0.1+zstd.1.5"), "pkg:cargo/zstd-sys@2.0.1%2Bzstd.1.5");
    }
}
