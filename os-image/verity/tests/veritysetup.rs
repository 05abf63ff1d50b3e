//! Our hash trees are those of `veritysetup`.

use std::io::Cursor;
use std::process::Command;

use dm_verity::{BLOCK, Salt};

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
        // Also where `PATH` lacks the folders of administrators.
        let mut veritysetup = Command::new("veritysetup");
        veritysetup.env("PATH", "/usr/sbin:/sbin").env("LC_ALL", "C.UTF-8");
        veritysetup.args(["format", "--no-superblock", "--hash=sha256"]);
        veritysetup.args(["--data-block-size=4096", "--hash-block-size=4096"]);
        veritysetup.arg(format!("--salt={salt}")).args([&data_file, &tree_file]);
        let output = veritysetup.output().expect("veritysetup starts; its Debian package is cryptsetup-bin");
        let printed = String::from_utf8(output.stdout).unwrap();
        let root = printed.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim();

        let mut tree = Cursor::new(Vec::new());
        let ours = dm_verity::build(&mut &data[..], data.len() as u64, &salt, &mut tree).unwrap();
        assert_eq!(ours.to_string(), root, "{blocks} blocks");
        assert!(tree.into_inner() == std::fs::read(&tree_file).unwrap(), "{blocks} blocks: trees differ");
    }
}
