//! Proofs: other implementations verify ours, we verify theirs, and both refuse every changed proof.

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use jobledger::tree::{
    Hash, Head, ProofError, Size, leaf_hash, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use tlog_tiles::tlog;

use super::grown::{Grown, bytes, leaf, mutations, ours, theirs};

const PAIRS: u64 = 130;

#[test]
fn inclusion_is_what_others_prove_and_verify() {
    let mut grown = Grown::new();
    for leaves in 1..=PAIRS {
        grown.grow();
        let head = grown.head();
        for index in 0..leaves {
            let leaf = leaf(index);
            let proof = prove_inclusion(index, head.size, grown.read()).unwrap();

            verify_inclusion(leaf_hash(&leaf), index, &head, &proof).unwrap();
            let (root, record) = (tlog::Hash(head.root.0), tlog::record_hash(&leaf));
            tlog::check_record(&theirs(&proof), leaves, root, index, record).unwrap();
            grown.ct.root().verify_inclusion(&leaf, index, &InclusionProof::from_bytes(bytes(&proof))).unwrap();

            assert_eq!(ours(&tlog::prove_record(leaves, index, &grown.go).unwrap()), proof);
            assert_eq!(grown.ct.prove_inclusion(index as usize).as_bytes(), bytes(&proof));
        }
    }
}

#[test]
fn consistency_is_what_others_prove_and_verify() {
    let mut grown = Grown::new();
    for leaves in 1..=PAIRS {
        grown.grow();
        let new = grown.head();
        for old in &grown.heads {
            let proof = prove_consistency(old.size, new.size, grown.read()).unwrap();

            verify_consistency(old, &new, &proof).unwrap();
            let (new_root, old_root) = (tlog::Hash(new.root.0), tlog::Hash(old.root.0));
            tlog::check_tree(&theirs(&proof), leaves, new_root, old.size.get(), old_root).unwrap();
            let ct_old = RootHash::new(old.root.0.into(), old.size.get());
            let ct_proof = ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap();
            grown.ct.root().verify_consistency(&ct_old, &ct_proof).unwrap();

            assert_eq!(ours(&tlog::prove_tree(leaves, old.size.get(), &grown.go).unwrap()), proof);
            let added = leaves - old.size.get();
            assert_eq!(grown.ct.prove_consistency(added as usize).as_bytes(), bytes(&proof));
        }
    }
}

/// At each size the test proves the first, the last, the middle and one other leaf, and the consistency with the trees that end at
/// these leaves.
#[test]
fn at_every_size_to_2000_others_prove_and_verify_the_same() {
    let mut grown = Grown::new();
    for leaves in 1..=2_000_u64 {
        grown.grow();
        let head = grown.head();
        let root = tlog::Hash(head.root.0);
        for index in [0, leaves / 2, leaves * 5 / 7, leaves - 1] {
            let proof = prove_inclusion(index, head.size, grown.read()).unwrap();
            verify_inclusion(leaf_hash(&leaf(index)), index, &head, &proof).unwrap();
            assert_eq!(ours(&tlog::prove_record(leaves, index, &grown.go).unwrap()), proof);
            assert_eq!(grown.ct.prove_inclusion(index as usize).as_bytes(), bytes(&proof));
            tlog::check_record(&theirs(&proof), leaves, root, index, tlog::record_hash(&leaf(index))).unwrap();

            let old = grown.heads[index as usize];
            let proof = prove_consistency(old.size, head.size, grown.read()).unwrap();
            verify_consistency(&old, &head, &proof).unwrap();
            assert_eq!(ours(&tlog::prove_tree(leaves, old.size.get(), &grown.go).unwrap()), proof);
            assert_eq!(grown.ct.prove_consistency((leaves - old.size.get()) as usize).as_bytes(), bytes(&proof));
            tlog::check_tree(&theirs(&proof), leaves, root, old.size.get(), tlog::Hash(old.root.0)).unwrap();
        }
    }
}

#[test]
fn a_changed_inclusion_proof_is_refused() {
    let mut grown = Grown::new();
    for leaves in 1..=PAIRS {
        grown.grow();
        let head = grown.head();
        for index in 0..leaves {
            let proof = prove_inclusion(index, head.size, grown.read()).unwrap();
            let hash = leaf_hash(&leaf(index));
            for changed in mutations(&proof) {
                assert!(verify_inclusion(hash, index, &head, &changed).is_err(), "{index} of {leaves}");
            }
            let other_root = Head { root: leaf_hash(b"other"), ..head };
            assert!(verify_inclusion(hash, index, &other_root, &proof).is_err());
            assert!(verify_inclusion(leaf_hash(b"other"), index, &head, &proof).is_err());
            for other in [index ^ 1, index ^ 2, index + 1, leaves - 1, leaves, leaves + index]
                .into_iter()
                .filter(|o| *o != index)
            {
                assert!(verify_inclusion(hash, other, &head, &proof).is_err(), "{index} as {other} of {leaves}");
            }
        }
    }
}

#[test]
fn a_changed_consistency_proof_is_refused() {
    let grown = Grown::to(PAIRS);
    for new in &grown.heads {
        for old in grown.heads.iter().take_while(|old| old.size <= new.size) {
            let proof = prove_consistency(old.size, new.size, grown.read()).unwrap();
            for changed in mutations(&proof) {
                assert!(verify_consistency(old, new, &changed).is_err(), "{} to {}", old.size, new.size);
            }
            let other = leaf_hash(b"other");
            assert!(verify_consistency(&Head { root: other, ..*old }, new, &proof).is_err());
            assert!(verify_consistency(old, &Head { root: other, ..*new }, &proof).is_err());
        }
    }
}

#[test]
fn trees_of_one_size_are_consistent_only_if_they_are_equal() {
    let grown = Grown::to(9);
    for head in &grown.heads {
        let fork = Head { root: leaf_hash(b"fork"), ..*head };
        assert_eq!(prove_consistency(head.size, head.size, grown.read()), Ok(Vec::new()));
        assert_eq!(verify_consistency(head, head, &[]), Ok(()));
        assert!(matches!(verify_consistency(head, &fork, &[]), Err(ProofError::Root { .. })));
        assert!(matches!(verify_consistency(&fork, head, &[]), Err(ProofError::Root { .. })));
        assert_eq!(verify_consistency(head, head, &[head.root]), Err(ProofError::Length { expected: 0, found: 1 }));
    }
}

#[test]
fn a_tree_does_not_shrink() {
    let grown = Grown::to(20);
    for (shorter, new) in grown.heads.iter().enumerate() {
        for old in &grown.heads[shorter + 1..] {
            let smaller = ProofError::Smaller { old: old.size, new: new.size };
            assert_eq!(prove_consistency(old.size, new.size, grown.read()), Err(smaller.clone()));
            let back = prove_consistency(new.size, old.size, grown.read()).unwrap();
            for proof in [&back[..], &[], &[new.root]] {
                assert_eq!(verify_consistency(old, new, proof), Err(smaller.clone()));
            }
        }
    }
}

#[test]
fn proofs_at_the_largest_sizes_are_decided_at_once() {
    let hash = leaf_hash(b"");
    let largest = Head { size: Size::MAX, root: hash };
    let proof = vec![hash; 63];
    for index in [Size::MAX.get(), 1 << 63, u64::MAX] {
        let none = Err(ProofError::Index { index, size: Size::MAX });
        assert_eq!(verify_inclusion(hash, index, &largest, &proof), none);
        assert_eq!(prove_inclusion(index, Size::MAX, |_| Ok(hash)), none.map(|()| Vec::new()));
    }
    for leaves in [0, 1 << 63, u64::MAX] {
        assert!(Size::new(leaves).is_err());
    }
    // In the largest possible tree proofs are made and verified as in any other.
    for index in [0, 1, (1 << 62) - 1, 1 << 62, Size::MAX.get() - 1] {
        let proof = prove_inclusion(index, Size::MAX, |_| Ok::<_, ProofError>(hash)).unwrap();
        let found = verify_inclusion(hash, index, &largest, &proof);
        assert!(matches!(found, Err(ProofError::Root { .. })));
    }
    for old in [1, 2, 3, 1 << 62, (1 << 62) + 1, Size::MAX.get() - 1] {
        let old = Head { size: Size::new(old).unwrap(), root: hash };
        let proof = prove_consistency(old.size, Size::MAX, |_| Ok::<_, ProofError>(hash)).unwrap();
        assert!(proof.len() <= 64);
        let found = verify_consistency(&old, &largest, &proof);
        assert!(matches!(found, Err(ProofError::Root { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// No input makes a verifier panic, and other implementations refuse it too.
    #[test]
    fn any_input_is_refused_without_a_panic(
        index in any::<u64>(), old in 1..=Size::MAX.get(), new in 1..=Size::MAX.get(), shift in 0..63_u32, len in 0..70_usize
    ) {
        let hash = leaf_hash(b"");
        let head = |leaves: u64| Head { size: Size::new((leaves >> shift).max(1)).unwrap(), root: leaf_hash(b"root") };
        let (old, new, index) = (head(old), head(new), index >> shift);
        let proof = vec![hash; len];
        prop_assert!(verify_inclusion(hash, index, &new, &proof).is_err());
        prop_assert_eq!(verify_consistency(&old, &new, &proof).is_ok(), old == new && len == 0);
        let record = tlog::check_record(&theirs(&proof), new.size.get(), tlog::Hash(new.root.0), index, tlog::Hash(hash.0));
        prop_assert!(record.is_err());
    }

    /// For any leaf of any tree, small ones as often as large ones.
    #[test]
    fn proofs_are_as_long_as_others_make_them(index in any::<u64>(), leaves in 1..=Size::MAX.get() / 2, shift in 0..61_u32) {
        let size = Size::new((leaves >> shift).max(1)).unwrap();
        let index = index % size.get();
        let proof = prove_inclusion(index, size, |_| Ok::<_, ProofError>(Hash([0; 32]))).unwrap();
        prop_assert_eq!(proof.len(), ct_merkle::indices_for_inclusion_proof(size.get(), index).len());
    }
}
