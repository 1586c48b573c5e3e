//! Notes, keys and checkpoints: other implementations open ours, and we open theirs.

use jobledger::tree::{
    Checkpoint, CheckpointError, Frontier, Head, NoteError, SigningKey, Size, VerifierKey, leaf_hash, open_note,
    sign_note,
};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

const ORIGIN: &str = "jobledger/2f0c2a5e";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn verifiers(keys: &[&SigningKey]) -> VerifierList {
    let list = keys.iter().map(|key| StandardVerifier::new(&key.verifier().to_string()).unwrap());
    VerifierList::new(list.map(|verifier| Box::new(verifier) as Box<dyn signed_note::Verifier>).collect())
}

#[test]
fn others_open_our_notes_and_sign_the_same_bytes() {
    for (seed, text) in [(1, "text\n"), (2, "two\n\nparts\n"), (3, "ümläut\n"), (4, "\n")] {
        let key = key(seed);
        let note = sign_note(text, &[&key]).unwrap();
        let (verified, unverified) = Note::from_bytes(note.as_bytes()).unwrap().verify(&verifiers(&[&key])).unwrap();
        assert_eq!((verified.len(), unverified.len()), (1, 0));
        assert_eq!((verified[0].name(), verified[0].id()), (ORIGIN, key.verifier().id()));

        let mut theirs = Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&StandardSigner::new(&key.to_secret()).unwrap()]).unwrap();
        assert_eq!(String::from_utf8(theirs.to_bytes()).unwrap(), note);
    }
}

#[test]
fn a_note_of_two_keys_opens_with_either_here_and_there() {
    let (old, new) = (key(1), key(2));
    let note = sign_note("text\n", &[&old, &new]).unwrap();
    for known in [&old, &new] {
        let (verified, unverified) = Note::from_bytes(note.as_bytes()).unwrap().verify(&verifiers(&[known])).unwrap();
        assert_eq!((verified.len(), unverified.len()), (1, 1));
        assert_eq!(open_note(&note, &[known.verifier().clone()]).unwrap().signers, [known.verifier()]);
    }
}

#[test]
fn others_read_our_checkpoints() {
    let head = Head { size: Size::new(20_852_163).unwrap(), root: leaf_hash(b"") };
    let checkpoint = Checkpoint { origin: ORIGIN.into(), head };
    let theirs = tlog_tiles::Checkpoint::from_bytes(checkpoint.to_string().as_bytes()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.extension()), (ORIGIN, 20_852_163, ""));
    assert_eq!(theirs.hash().0, head.root.0);
    assert_eq!(theirs.to_bytes(), checkpoint.to_string().into_bytes());
    let note = checkpoint.sign(&[&key(1), &key(2)]).unwrap();
    assert!(Note::from_bytes(note.as_bytes()).unwrap().verify(&verifiers(&[&key(1)])).is_ok());
}

#[test]
fn others_open_the_checkpoint_of_every_size_to_2000() {
    let (key, mut frontier) = (key(1), Frontier::EMPTY);
    let verifiers = verifiers(&[&key]);
    for leaf in 0..2_000_u64 {
        frontier.append(leaf_hash(&leaf.to_be_bytes()), |_, _| Ok::<(), ()>(())).unwrap();
        let checkpoint = Checkpoint { origin: ORIGIN.into(), head: frontier.head().unwrap() };
        let note = checkpoint.sign(&[&key]).unwrap();
        let theirs = Note::from_bytes(note.as_bytes()).unwrap();
        assert_eq!(theirs.verify(&verifiers).unwrap().0.len(), 1);
        let read = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
        assert_eq!((read.size(), read.hash().0), (leaf + 1, checkpoint.head.root.0));
        assert_eq!(Checkpoint::open(&note, ORIGIN, &[key.verifier().clone()]), Ok(checkpoint));
    }
}

/// In other implementations too, a known key's bad signature spoils a good one, and 16 signatures are read.
#[test]
fn notes_with_many_or_bad_signatures_are_judged_as_others_judge_them() {
    let (log, stranger) = (key(1), key(2));
    let many: Vec<SigningKey> = (2..17).map(key).chain([key(1)]).collect();
    let note = sign_note("text\n", &many.iter().collect::<Vec<_>>()).unwrap();
    assert!(Note::from_bytes(note.as_bytes()).unwrap().verify(&verifiers(&[&log])).is_ok());
    assert_eq!(open_note(&note, &[log.verifier().clone()]).unwrap().signers, [log.verifier()]);

    let good = sign_note("text\n", &[&log, &stranger]).unwrap();
    let other = sign_note("other\n", &[&log]).unwrap();
    let spoilt = good.replacen(good.lines().nth(2).unwrap(), other.lines().last().unwrap(), 1);
    let known = [&log, &stranger];
    assert!(Note::from_bytes(spoilt.as_bytes()).unwrap().verify(&verifiers(&known)).is_err());
    let ours = known.map(|key| key.verifier().clone());
    assert_eq!(open_note(&spoilt, &ours), Err(NoteError::Forged(log.verifier().to_string())));
}

/// We are stricter than Go, which skips a second signature of the same key without checking it.
#[test]
fn a_bad_second_signature_of_one_key_is_seen() {
    let key = key(1);
    let [good, other] = ["text\n", "other\n"].map(|text| sign_note(text, &[&key]).unwrap());
    let bad = other.lines().last().unwrap();
    let note = format!("{good}{bad}\n");
    assert_eq!(open_note(&note, &[key.verifier().clone()]), Err(NoteError::Forged(key.verifier().to_string())));
}

/// The example of golang.org/x/mod/sumdb/note, with its two keys.
#[test]
fn the_note_of_the_first_implementation_opens() {
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let peter =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let enoch =
        "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
    let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let known: [VerifierKey; 2] = [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap(),
        "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop".parse().unwrap(),
    ];
    let signed = sign_note(text, &[&SigningKey::parse(secret).unwrap()]).unwrap();
    assert_eq!(signed, format!("{text}\n{peter}"));
    let both = format!("{text}\n{peter}{enoch}");
    let opened = open_note(&both, &known).unwrap();
    assert_eq!((opened.text, opened.signers), (text, known.iter().collect()));
    assert_eq!(open_note(&both, &known[1..]).unwrap().signers, [&known[1]]);
}

/// The examples of C2SP signed-note and tlog-checkpoint. Their keys are not published: the form is read, no signature is believed.
#[test]
fn the_examples_of_the_specifications_have_the_right_form() {
    let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
        — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let checkpoint = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let known = [key(1).verifier().clone()];
    let expected = format!("{ORIGIN}+{:08x}", known[0].id());
    let unknown = |by: &str| NoteError::Unknown { expected: vec![expected.clone()], found: vec![by.into()] };
    assert_eq!(open_note(note, &known), Err(unknown("quasimodo.example/salvatore+367ba04b")));
    let origin = "example.com/behind-the-sofa";
    let by = format!("{origin}+033de0ae");
    assert_eq!(Checkpoint::open(checkpoint, origin, &known), Err(CheckpointError::Note(unknown(&by))));
    let (text, _) = checkpoint.split_once("\n\n").unwrap();
    let head = format!("{text}\n").parse::<Checkpoint>().unwrap().head;
    assert_eq!(
        (head.size.get(), head.root.to_string().as_str()),
        (20_852_163, "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    );
}
