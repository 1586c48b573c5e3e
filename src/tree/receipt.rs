//! Receipts (C2SP tlog-proof): one text that proves that a leaf is in a signed log. A verifier needs only the log's key.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{
    Checkpoint, CheckpointError, Hash, ProofError, VerifierKey, decimal, excerpt, leaf_hash, verify_inclusion,
};

/// The first line of a receipt.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Most hashes of a proof: the height of the largest tree.
const MAX_HASHES: usize = 63;

/// A leaf's index, its inclusion proof, and the signed checkpoint with the root. Its text is a `.tlog-proof` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Free bytes, which no signature covers. The ledger puts the leaf here.
    pub extra: Option<Vec<u8>>,
    /// The leaf's index, from 0.
    pub index: u64,
    /// The hashes from the leaf's sibling to the root's child.
    pub proof: Vec<Hash>,
    /// The signed note, byte for byte.
    pub checkpoint: String,
}

/// Why a text is no receipt, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The text has another form.
    #[error("expected a receipt, `{HEADER}` and its further lines, found `{0}`")]
    Form(String),
    /// The text after the proof is no checkpoint of this log, or none of the log's keys signed it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not lead from this leaf to the root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Receipt {
    /// Checks that `leaf` is in the log `origin`, at [`Receipt::index`]. Returns the receipt's checkpoint.
    ///
    /// # Errors
    /// The checkpoint is not one of the log `origin`, none of the `known` keys signed it, or the proof does not lead from the leaf to
    /// the checkpoint's root.
    pub fn verify(&self, leaf: &[u8], origin: &str, known: &[VerifierKey]) -> Result<Checkpoint, ReceiptError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, origin, known)?;
        verify_inclusion(leaf_hash(leaf), self.index, &checkpoint.head, &self.proof)?;
        Ok(checkpoint)
    }

    fn parse(text: &str) -> Option<Receipt> {
        // The lines before the checkpoint are not empty, so the first empty line ends them.
        let (lines, checkpoint) = text.split_once("\n\n")?;
        let mut lines = lines.split('\n').peekable();
        lines.next().filter(|line| *line == HEADER)?;
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(BASE64.decode(&line["extra ".len()..]).ok()?),
            None => None,
        };
        let index = decimal(lines.next()?.strip_prefix("index ")?)?;
        let proof: Vec<Hash> = lines.take(MAX_HASHES + 1).map(|line| line.parse().ok()).collect::<Option<_>>()?;
        (proof.len() <= MAX_HASHES).then(|| Receipt { extra, index, proof, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.proof {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Receipt, ReceiptError> {
        Receipt::parse(text).ok_or_else(|| ReceiptError::Form(excerpt(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Head, SigningKey, Size, node_hash};

    const ORIGIN: &str = "jobledger/test";

    fn key() -> SigningKey {
        SigningKey::from_seed(ORIGIN, &[1; 32]).unwrap()
    }

    /// Leaf 1 of `a`, `b`, `c`.
    fn receipt() -> Receipt {
        let [a, b, c] = [b"a", b"b", b"c"].map(|leaf| leaf_hash(leaf));
        let head = Head { size: Size::new(3).unwrap(), root: node_hash(&node_hash(&a, &b), &c) };
        let checkpoint = Checkpoint { origin: ORIGIN.into(), head }.sign(&[&key()]).unwrap();
        Receipt { extra: None, index: 1, proof: vec![a, c], checkpoint }
    }

    #[test]
    fn a_receipt_proves_one_leaf_of_one_log() {
        let known = [key().verifier().clone()];
        let stranger = [SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap().verifier().clone()];
        let receipt = receipt();
        assert_eq!(receipt.verify(b"b", ORIGIN, &known).unwrap().head.size.get(), 3);
        assert!(matches!(receipt.verify(b"c", ORIGIN, &known), Err(ReceiptError::Proof(ProofError::Root { .. }))));
        for (origin, keys) in [("other", &known), (ORIGIN, &stranger)] {
            assert!(matches!(receipt.verify(b"b", origin, keys), Err(ReceiptError::Checkpoint(_))));
        }
        for index in [0, 2, 3, u64::MAX] {
            let moved = Receipt { index, ..receipt.clone() };
            assert!(matches!(moved.verify(b"b", ORIGIN, &known), Err(ReceiptError::Proof(_))), "{index}");
        }
        let larger = receipt.checkpoint.replacen("\n3\n", "\n4\n", 1);
        assert!(Receipt { checkpoint: larger, ..receipt }.verify(b"b", ORIGIN, &known).is_err());
    }

    #[test]
    fn a_receipt_has_the_text_of_the_specification() {
        let receipt = receipt();
        let [a, c] = [receipt.proof[0], receipt.proof[1]];
        let text = receipt.to_string();
        assert_eq!(text, format!("c2sp.org/tlog-proof@v1\nindex 1\n{a}\n{c}\n\n{}", receipt.checkpoint));
        assert_eq!(text.parse().as_ref(), Ok(&receipt));
        for extra in [b"".to_vec(), b"anything".to_vec()] {
            let with = Receipt { extra: Some(extra), ..receipt.clone() };
            assert_eq!(with.to_string().parse(), Ok(with));
        }
        let alone = Receipt { index: 0, proof: Vec::new(), ..receipt };
        assert_eq!(alone.to_string().parse(), Ok(alone));
    }

    #[test]
    fn a_text_that_is_no_receipt_is_refused() {
        let text = receipt().to_string();
        let (lines, _) = text.split_once("\n\n").unwrap();
        let bad = [
            String::new(),
            lines.to_owned(),
            text.replace("@v1", "@v2"),
            text.replace("index 1\n", ""),
            text.replace("index 1\n", "index 01\n"),
            text.replace("index 1\n", "index -1\n"),
            text.replace("index 1\n", "index  1\n"),
            text.replace("index 1\n", "index 1\nindex 1\n"),
            text.replace("index 1\n", "index 1\nextra AAAA\n"),
            text.replace("index 1\n", "extra AAAB=\nindex 1\n"),
            text.replace("index 1\n", "extra\nindex 1\n"),
            text.replace("index 1\n", "extra AAAA\nextra AAAA\nindex 1\n"),
            text.replace("index 1\n", "\nindex 1\n"),
            text.replace("=\n", "\n"),
            text.replace('\n', "\r\n"),
            format!("\n{text}"),
            text.replace("index 1\n", &format!("index 1\n{}", format!("{}\n", leaf_hash(b"")).repeat(62))),
        ];
        for bad in bad {
            assert!(bad.parse::<Receipt>().is_err(), "{bad:?}");
        }
    }
}
