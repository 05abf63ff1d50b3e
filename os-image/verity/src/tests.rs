use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const SALT: Salt = Salt([7; 32]);

/// Data whose blocks all differ.
fn data(blocks: usize) -> Vec<u8> {
    (0..blocks * BLOCK).map(|i| (i / BLOCK * 31 + i % 251) as u8).collect()
}

fn tree_over(data: &[u8]) -> (Verity, Vec<u8>) {
    let mut tree = Cursor::new(Vec::new());
    let root = build(&mut &data[..], data.len() as u64, &SALT, &mut tree).unwrap();
    (Verity { root, salt: SALT, data_size: data.len() as u64 }, tree.into_inner())
}

fn check(verity: &Verity, data: &[u8], tree: &[u8]) -> Result<(), VerityError> {
    verify(verity, &mut &data[..], &mut Cursor::new(tree))
}

#[test]
fn the_size_of_a_tree_follows_from_the_data() {
    for (blocks, tree) in [(1, 0), (2, 1), (128, 1), (129, 3), (128 * 128, 129), (128 * 128 + 1, 132)] {
        assert_eq!(tree_size(blocks * BLOCK as u64).unwrap(), tree * BLOCK as u64, "{blocks} blocks");
    }
    assert!(tree_size(u64::MAX - 4095).is_ok());
    for size in [0, 1, 4095, 4097] {
        assert!(matches!(tree_size(size), Err(VerityError::Size(s)) if s == size));
    }
}

#[test]
fn a_tree_is_written_and_read_from_where_the_stream_stands() {
    let data = data(130);
    let (verity, tree) = tree_over(&data);
    let mut stream = Cursor::new(b"before".to_vec());
    stream.set_position(6);
    assert_eq!(build(&mut &data[..], data.len() as u64, &SALT, &mut stream).unwrap(), verity.root);
    assert_eq!(stream.position(), 6 + tree.len() as u64);
    assert_eq!(&stream.get_ref()[6..], tree);
    stream.set_position(6);
    verify(&verity, &mut &data[..], &mut stream).unwrap();
}

#[test]
fn only_good_blocks_are_copied() {
    let mut data = data(200);
    let (verity, tree) = tree_over(&data);
    data[150 * BLOCK + 9] ^= 1;
    let mut copy = Vec::new();
    let changed = copy_verified(&verity, &mut &data[..], &mut Cursor::new(tree), &mut copy);
    assert!(matches!(changed, Err(VerityError::Changed { what: DATA, block: 150 })));
    assert_eq!(copy, &data[..150 * BLOCK]);
}

#[test]
fn another_salt_or_root_fits_nothing() {
    let data = data(2);
    let (verity, tree) = tree_over(&data);
    for other in [Verity { salt: Salt([8; 32]), ..verity }, Verity { root: Digest([8; 32]), ..verity }] {
        assert!(matches!(check(&other, &data, &tree), Err(VerityError::Changed { what: TREE, block: 0 })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_tree_fits_its_data(blocks in 1usize..140) {
        let data = data(blocks);
        let (verity, tree) = tree_over(&data);
        prop_assert_eq!(tree.len() as u64, tree_size(data.len() as u64).unwrap());
        check(&verity, &data, &tree).unwrap();
    }

    #[test]
    fn a_changed_byte_of_the_data_names_its_block(at in 0..140 * BLOCK, change in 1u8..) {
        let mut data = data(140);
        let (verity, tree) = tree_over(&data);
        data[at] ^= change;
        let changed = check(&verity, &data, &tree);
        let named = matches!(changed, Err(VerityError::Changed { what: DATA, block }) if block == (at / BLOCK) as u64);
        assert!(named);
    }

    #[test]
    fn a_changed_byte_of_the_tree_names_its_block(at in 0..3 * BLOCK, change in 1u8..) {
        let data = data(140);
        let (verity, mut tree) = tree_over(&data);
        prop_assert_eq!(tree.len(), 3 * BLOCK);
        tree[at] ^= change;
        let changed = check(&verity, &data, &tree);
        let named = matches!(changed, Err(VerityError::Changed { what: TREE, block }) if block == (at / BLOCK) as u64);
        assert!(named);
    }

    #[test]
    fn missing_bytes_are_an_error(missing in 1usize..140 * BLOCK) {
        let data = data(140);
        let (verity, tree) = tree_over(&data);
        let cut = check(&verity, &data[..data.len() - missing], &tree);
        assert!(matches!(cut, Err(VerityError::Read { what: DATA, .. })));
        let cut = check(&verity, &data, &tree[..tree.len() - missing.min(tree.len())]);
        assert!(matches!(cut, Err(VerityError::Read { what: TREE, .. })));
    }
}
