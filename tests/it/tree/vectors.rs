//! Known answers for the tree of RFC 6962, from the test data of certificate-transparency.

use jobledger::tree::{
    Hash, Head, NodeId, ProofError, Size, leaf_hash, prove_consistency, prove_inclusion, verify_consistency,
    verify_inclusion,
};

const LEAVES: [&[u8]; 8] = [
    b"",
    b"\0",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// The roots of the first leaf, of the first two leaves, and so on.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const N01: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N04: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const N11: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N12: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const N13: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const N21: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

fn hashes<const N: usize>(hex: [&str; N]) -> Vec<Hash> {
    hex.map(|hex| Hash(hex::decode(hex).unwrap().try_into().unwrap())).to_vec()
}

fn head(leaves: u64) -> Head {
    Head { size: Size::new(leaves).unwrap(), root: hashes(ROOTS)[leaves as usize - 1] }
}

/// Nodes computed from the leaves alone, without a frontier.
fn read(node: NodeId) -> Result<Hash, ProofError> {
    let children = |child| read(NodeId { level: node.level - 1, index: node.index * 2 + child });
    match node.level {
        0 => Ok(leaf_hash(LEAVES[node.index as usize])),
        _ => Ok(jobledger::tree::node_hash(&children(0)?, &children(1)?)),
    }
}

#[test]
fn the_roots_are_those_of_the_test_data() {
    for leaves in 1..=8 {
        let head = head(leaves);
        let frontier = jobledger::tree::Frontier::restore(head.size, read).unwrap();
        assert_eq!(frontier.head(), Some(head));
    }
}

#[test]
fn the_inclusion_proofs_are_those_of_the_test_data() {
    for (index, leaves, expected) in [
        (0, 1, vec![]),
        (0, 8, hashes([N01, N11, N21])),
        (5, 8, hashes([N04, N13, ROOTS[3]])),
        (2, 3, hashes([ROOTS[1]])),
        (1, 5, hashes([ROOTS[0], N11, N04])),
    ] {
        let head = head(leaves);
        assert_eq!(prove_inclusion(index, head.size, read).unwrap(), expected);
        verify_inclusion(leaf_hash(LEAVES[index as usize]), index, &head, &expected).unwrap();
    }
}

#[test]
fn the_consistency_proofs_are_those_of_the_test_data() {
    for (old, new, expected) in [
        (1, 1, vec![]),
        (1, 8, hashes([N01, N11, N21])),
        (6, 8, hashes([N12, N13, ROOTS[3]])),
        (2, 5, hashes([N11, N04])),
    ] {
        let (old, new) = (head(old), head(new));
        assert_eq!(prove_consistency(old.size, new.size, read).unwrap(), expected);
        verify_consistency(&old, &new, &expected).unwrap();
    }
}
