use proptest::prelude::*;

use super::*;
use crate::Salt;

fn manifest() -> Manifest {
    Manifest {
        compatible: "example-box".into(),
        version: Some("2.0".into()),
        description: None,
        build: Some("20250102".into()),
        images: vec![Image {
            name: "rootfs".into(),
            filename: "rootfs.img".into(),
            sha256: Digest([0xab; 32]),
            size: 8192,
            adaptive: vec![Adaptive::BlockHashIndex],
        }],
        meta: BTreeMap::from([(
            "notes".into(),
            BTreeMap::from([("why".into(), " because; \\ of\n".into())]),
        )]),
    }
}

fn tree() -> TreeKeys {
    TreeKeys { root: Digest([1; 32]), salt: Salt([2; 32]), tree_size: 4096 }
}

const TEXT: &str = r"[update]
compatible=example-box
version=2.0
build=20250102

[bundle]
format=verity

[image.rootfs]
sha256=abababababababababababababababababababababababababababababababab
size=8192
filename=rootfs.img
adaptive=block-hash-index;

[meta.notes]
why=\sbecause; \\ of\n
";

#[test]
fn a_manifest_is_written_as_rauc_writes_it() {
    assert_eq!(manifest().to_text().unwrap(), TEXT);
    let signed = manifest().to_signed_text(&tree()).unwrap();
    let keys = "format=verity\nverity-hash=0101010101010101010101010101010101010101010101010101010101010101\nverity-salt=\
                0202020202020202020202020202020202020202020202020202020202020202\nverity-size=4096\n";
    assert_eq!(signed, TEXT.replace("format=verity\n", keys));
}

#[test]
fn a_manifest_is_read_back() {
    assert_eq!(Manifest::parse(TEXT).unwrap(), manifest());
    let signed = manifest().to_signed_text(&tree()).unwrap();
    assert_eq!(Manifest::parse_signed(&signed).unwrap(), (manifest(), tree()));
}

#[test]
fn blanks_comments_and_line_ends_are_as_in_any_key_file() {
    let text = TEXT
        .replace("version=2.0\n", "# version\n\n  version \t=  2.0\r\n")
        .replace("[bundle]", " [bundle] ");
    assert_eq!(Manifest::parse(&text).unwrap(), manifest());
}

#[test]
fn unknown_adaptive_methods_are_kept() {
    let text = TEXT.replace("block-hash-index;", "later\\;;block-hash-index");
    let read = Manifest::parse(&text).unwrap();
    assert_eq!(read.images[0].adaptive, [Adaptive::Other("later;".into()), Adaptive::BlockHashIndex]);
}

#[test]
fn what_rauc_would_refuse_is_refused() {
    let signed = manifest().to_signed_text(&tree()).unwrap();
    for (from, to, error) in [
        ("compatible=example-box\n", "", "lacks `compatible`"),
        ("compatible=example-box", "compatible=", "give it a value"),
        ("version=2.0", "versoin=2.0", "key `versoin` in section [update]"),
        ("format=verity", "format=crypt", "format `crypt`"),
        ("format=verity", "# none", "format `plain`"),
        ("verity-size=4096", "verity-size=4097", "whole blocks"),
        ("verity-size=4096", "verity-size=0", "whole blocks"),
        ("verity-size=4096\n", "", "lacks `verity-size`"),
        ("verity-hash=01", "verity-hash=0", "64 hexadecimal digits"),
        ("size=8192", "size=-1", "a number of bytes"),
        ("size=8192", "size=8192\nconvert=tar-extract;", "key `convert`"),
        ("filename=rootfs.img", "filename=../rootfs.img", "without `/`"),
        ("filename=rootfs.img\n", "", "lacks `filename`"),
        ("[image.rootfs]", "[image.]", "slot class"),
        ("[meta.notes]", "[meta.no.tes]", "letters, digits"),
        ("[meta.notes]", "[hooks]", "section [hooks]"),
        ("[meta.notes]", "[images]", "section [images]"),
        ("[meta.notes]", "[image.rootfs]", "comes twice"),
        ("size=8192", "size=8192\nsize=8192", "comes twice"),
        ("why=", "why\\=", "letters, digits"),
        ("\\\\", "\\q", "backslash"),
        ("[update]\n", "", "before the first section"),
        ("[update]", "[update", "no `]`"),
        ("version=2.0", "version", "neither a section nor a key"),
    ] {
        assert!(signed.contains(from), "{from}");
        let refused = Manifest::parse_signed(&signed.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(refused.contains(error), "{from} -> {to}: {refused}");
    }
    assert!(matches!(Manifest::parse(&signed), Err(ManifestError::Key { key, .. }) if key == "verity-size"));
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let changes: [fn(&mut Manifest); 6] = [
        |m| m.compatible.clear(),
        |m| m.version = Some("\0".into()),
        |m| m.images[0].name = "a]b".into(),
        |m| m.images[0].filename = "a/b".into(),
        |m| m.images.push(m.images[0].clone()),
        |m| drop(m.meta.insert("a b".into(), BTreeMap::new())),
    ];
    for change in changes {
        let mut manifest = manifest();
        change(&mut manifest);
        manifest.to_text().unwrap_err();
    }
}

/// Any text that a key file can hold.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            2 => Just(' '), 1 => Just('\t'), 1 => Just('\n'), 1 => Just('\r'), 2 => Just('\\'), 2 => Just(';'),
            1 => Just('#'), 1 => Just('['), 1 => Just('='), 6 => any::<char>(),
        ],
        1..20,
    )
    .prop_map(|characters| {
        characters.into_iter().map(|c| if c.is_ascii_control() && !"\t\n\r".contains(c) { 'x' } else { c }).collect()
    })
}

proptest! {
    #[test]
    fn any_text_comes_back(
        compatible in text(), version in proptest::option::of(text()), method in text(), meta in text(), size: u64,
    ) {
        let mut written = manifest();
        written.compatible = compatible;
        written.version = version;
        written.images[0].size = size;
        written.images[0].adaptive.push(Adaptive::Other(method));
        written.meta.get_mut("notes").unwrap().insert("what-else_1".into(), meta);
        prop_assert_eq!(Manifest::parse(&written.to_text().unwrap()).unwrap(), written.clone());
        let signed = written.to_signed_text(&tree()).unwrap();
        prop_assert_eq!(Manifest::parse_signed(&signed).unwrap(), (written, tree()));
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC*", at in 0..TEXT.len(), change in any::<char>()) {
        let _ = Manifest::parse_signed(&text);
        let mut changed = TEXT.to_owned();
        changed.replace_range(at..=at, &change.to_string());
        let _ = Manifest::parse(&changed);
    }
}
