//! Our hash trees are those of `veritysetup`.

mod common;

use std::io::Cursor;

use rauc_bundle::{BLOCK, Salt, verity};

#[test]
fn trees_are_byte_for_byte_those_of_veritysetup() {
    let dir = tempfile::tempdir().unwrap();
    let (data_file, tree_file) = (dir.path().join("data"), dir.path().join("tree"));
    let salt = Salt(std::array::from_fn(|i| i as u8 ^ 0x5a));
    // Around each step of the number of levels: none, one, two, three.
    for blocks in [1, 2, 127, 128, 129, 300, 128 * 128, 128 * 128 + 1] {
        let data: Vec<u8> = (0..blocks * BLOCK).map(|i| (i / 7 + i / BLOCK) as u8).collect();
        std::fs::write(&data_file, &data).unwrap();
        std::fs::write(&tree_file, []).unwrap();
        let mut veritysetup = common::command("veritysetup");
        veritysetup.args(["format", "--no-superblock", "--hash=sha256"]);
        veritysetup.args(["--data-block-size=4096", "--hash-block-size=4096"]);
        veritysetup.arg(format!("--salt={salt}")).args([&data_file, &tree_file]);
        let printed = common::run(&mut veritysetup, "cryptsetup-bin");
        let root = printed.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim();

        let mut tree = Cursor::new(Vec::new());
        let ours = verity::build(&mut &data[..], data.len() as u64, &salt, &mut tree).unwrap();
        assert_eq!(ours.to_string(), root, "{blocks} blocks");
        assert!(tree.into_inner() == std::fs::read(&tree_file).unwrap(), "{blocks} blocks: trees differ");
    }
}
