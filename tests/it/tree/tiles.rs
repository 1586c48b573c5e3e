//! Tiles, compared with those of another implementation.

use jobledger::tree::{Tile, TileKind, leaf_hash, push_entry, split_entries};
use proptest::prelude::*;

use super::grown::{Grown, bytes, leaf};

/// Turns a path of the other implementation into ours. Theirs has the height as a further element, and another word for entries.
fn our_path(theirs: &tlog_tiles::Tile) -> String {
    theirs.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1)
}

#[test]
fn the_bytes_of_every_tile_are_what_others_make() {
    let grown = Grown::to(2_000);
    let size = grown.head().size;
    for (level, index) in (0..8).map(|index| (0, index)).chain([(1, 0)]) {
        let whole = Tile::of(size, TileKind::Hashes { level }, index).unwrap();
        for width in 1..=whole.width() {
            let theirs = tlog_tiles::Tile::new(8, level, index, width.into(), false);
            let tile: Tile = our_path(&theirs).parse().unwrap();
            assert!(tile.is_within(size) && tile.is_of(size) == (tile == whole));
            let read = tile.read(grown.read()).unwrap();
            assert_eq!(read, theirs.read_data(&grown.go).unwrap(), "{tile}");
            assert_eq!(bytes(&tile.hashes(&read).unwrap()), read);
        }
    }
    for (level, index) in [(0, 8), (1, 1), (2, 0), (8, 0)] {
        assert_eq!(Tile::of(size, TileKind::Hashes { level }, index), None);
    }
}

#[test]
fn the_entries_of_a_tile_hash_to_the_tile_of_hashes() {
    let grown = Grown::to(300);
    let size = grown.head().size;
    for index in 0..2 {
        let entries = Tile::of(size, TileKind::Entries, index).unwrap();
        let hashes = Tile::of(size, TileKind::Hashes { level: 0 }, index).unwrap();
        let mut bundle = Vec::new();
        for index in entries.range() {
            push_entry(&mut bundle, &leaf(index)).unwrap();
        }
        let leaves = split_entries(&bundle, entries.width()).unwrap();
        let hashed: Vec<_> = leaves.into_iter().map(leaf_hash).collect();
        assert_eq!(hashed, hashes.hashes(&hashes.read(grown.read()).unwrap()).unwrap());
        assert!(entries.nodes().eq(hashes.nodes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn paths_are_those_of_others(level in 0..8_u8, index in 0..1_u64 << 55, width in 1..=256_u32, data: bool) {
        let level = if data { 0 } else { level };
        let index = index >> (8 * level);
        let theirs = tlog_tiles::Tile::new(8, level, index, if level == 7 { width % 127 + 1 } else { width }, data);
        let tile: Tile = our_path(&theirs).parse().unwrap();
        prop_assert_eq!(tile.to_string(), our_path(&theirs));
        prop_assert_eq!((tile.index(), u32::from(tile.width())), (theirs.level_index(), theirs.width()));
        prop_assert_eq!(tile.kind() == TileKind::Entries, data);
    }

    #[test]
    fn a_tile_path_round_trips(path in "tile/([0-9]{1,2}|entries)/(x?[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = path.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }
}
