//! The same leaves in three trees: ours, and those of two other implementations.

use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use jobledger::tree::{Frontier, Hash, Head, NodeId, ProofError, leaf_hash};
use tlog_tiles::tlog;

/// Our tree with its stored nodes, and the same leaves in the others.
pub struct Grown {
    pub frontier: Frontier,
    pub nodes: HashMap<NodeId, Hash>,
    /// The head after each leaf.
    pub heads: Vec<Head>,
    pub go: Go,
    pub ct: MemoryBackedTree<sha2::Sha256, Vec<u8>>,
}

/// The hashes of a tree in the order of golang.org/x/mod/sumdb/tlog, of which `tlog_tiles` is a port.
pub struct Go(Vec<tlog::Hash>);

impl tlog::HashReader for Go {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

/// The bytes of leaf `index` in these tests.
pub fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

impl Grown {
    pub fn new() -> Grown {
        let (frontier, go) = (Frontier::EMPTY, Go(Vec::new()));
        Grown { frontier, nodes: HashMap::new(), heads: Vec::new(), go, ct: MemoryBackedTree::new() }
    }

    pub fn to(leaves: u64) -> Grown {
        let mut grown = Grown::new();
        (0..leaves).for_each(|_| grown.grow());
        grown
    }

    /// Appends a leaf to all three trees.
    pub fn grow(&mut self) {
        let index = self.frontier.leaves();
        let leaf = leaf(index);
        let store = |node, hash| self.nodes.insert(node, hash).map_or(Ok(()), |_| Err(node));
        self.frontier.append(leaf_hash(&leaf), store).unwrap();
        self.heads.push(self.frontier.head().unwrap());
        let hashes = tlog::stored_hashes(index, &leaf, &self.go).unwrap();
        self.go.0.extend(hashes);
        self.ct.push(leaf);
    }

    pub fn head(&self) -> Head {
        *self.heads.last().unwrap()
    }

    /// A stored node, for proofs and tiles.
    pub fn read(&self) -> impl FnMut(NodeId) -> Result<Hash, ProofError> {
        |node| Ok(self.nodes[&node])
    }
}

pub fn theirs(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(hash.0)).collect()
}

pub fn ours(hashes: &[tlog::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

/// Hashes as the bytes that `ct-merkle` calls a proof.
pub fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Every variant of the proof with one change: a hash changed, removed, repeated, swapped or added.
pub fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[at].0[at % Hash::LEN] ^= 1;
        let mut without = proof.to_vec();
        without.remove(at);
        let mut twice = proof.to_vec();
        twice.insert(at, proof[at]);
        all.extend([flipped, without, twice]);
        if at > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(at - 1, at);
            all.push(swapped);
        }
    }
    all.push([proof, &[leaf_hash(b"spare")]].concat());
    all.push([&[leaf_hash(b"spare")], proof].concat());
    all
}
