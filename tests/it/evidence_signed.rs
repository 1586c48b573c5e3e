//! Bundles of logs that another program signed. The audit checks the events of such a bundle, even under a valid signature.

use std::collections::HashMap;

use jobledger::tree::{Checkpoint, Frontier, Hash, NodeId, Receipt, SigningKey, leaf_hash, prove_inclusion};
use jobledger::wire::{Leaf, datadigest};
use serde_json::{Value, json};

use crate::support::bundles::{Bundle, stranger};

const ORIGIN: &str = "jobledger/forged";

/// An event to write: its type, its data (`None` if redacted), and a change to its leaf.
struct Made {
    event_type: &'static str,
    data: Value,
    without_data: bool,
    change: fn(&mut Leaf<'_>),
}

fn made(event_type: &'static str, data: Value) -> Made {
    Made { event_type, data, without_data: false, change: |_| {} }
}

impl Made {
    fn without_data(self) -> Made {
        Made { without_data: true, ..self }
    }

    fn with(self, change: fn(&mut Leaf<'_>)) -> Made {
        Made { change, ..self }
    }
}

/// One event's line in each of the three files.
struct Lines {
    leaf: String,
    data: String,
    salt: String,
}

fn lines(made: &Made, position: usize) -> Lines {
    let data = made.data.to_string();
    let salt = [position as u8; 32];
    let own = made.event_type.starts_with("ledger.");
    let mut leaf = Leaf {
        specversion: "1.0".into(),
        id: format!("e{position}").into(),
        source: "/forger".into(),
        event_type: made.event_type.into(),
        subject: (!own).then(|| "a".into()),
        time: "2026-01-01T00:00:00Z".into(),
        datacontenttype: "application/json".into(),
        dataschema: format!("/schema/events/{}.v1.json", made.event_type).into(),
        position: position.to_string().into(),
        recordedtime: format!("2026-01-01T00:00:{position:02}.000000Z").into(),
        actor: "forger".into(),
        orgid: (!own).then(|| "00000000-0000-0000-0000-000000000000".into()),
        jobkind: (!own).then(|| "task".into()),
        datadigest: datadigest(&salt, data.as_bytes()).into(),
        prev: (position > 1).then(|| (position - 1).to_string().into()),
    };
    (made.change)(&mut leaf);
    let leaf = String::from_utf8(leaf.to_bytes()).unwrap();
    match made.without_data {
        true => Lines { leaf, data: "null".into(), salt: "null".into() },
        false => Lines { leaf, data, salt: hex::encode(salt) },
    }
}

/// The bundle of one job whose log has a genesis event and then `events`, all of this job.
fn signed(key: &SigningKey, events: &[Made]) -> Bundle {
    let genesis = json!({"origin": ORIGIN, "leaf_format": 1, "verifier_key": key.verifier().to_string()});
    let genesis = made("ledger.created", genesis);
    let all: Vec<_> = std::iter::once(&genesis).chain(events).enumerate().map(|(n, made)| lines(made, n)).collect();
    let (mut edge, mut nodes) = (Frontier::EMPTY, HashMap::<NodeId, Hash>::new());
    for Lines { leaf, .. } in &all {
        let store = |node, hash| nodes.insert(node, hash).map_or(Ok(()), |_| Err(node));
        edge.append(leaf_hash(leaf.as_bytes()), store).unwrap();
    }
    let head = edge.head().unwrap();
    let checkpoint = Checkpoint { origin: ORIGIN.into(), head }.sign(&[key]).unwrap();
    let mut files = vec![("checkpoint".to_owned(), checkpoint.clone().into_bytes())];
    for (folder, part, first) in [("ledger/", &all[..1], 0), ("", &all[1..], 1)] {
        let file = |line: fn(&Lines) -> &str| part.iter().map(|lines| format!("{}\n", line(lines))).collect::<String>();
        files.push((format!("{folder}leaves.ndjson"), file(|lines| &lines.leaf).into()));
        files.push((format!("{folder}data.ndjson"), file(|lines| &lines.data).into()));
        files.push((format!("{folder}salts.txt"), file(|lines| &lines.salt).into()));
        for (n, Lines { leaf, .. }) in part.iter().enumerate() {
            let index = (first + n) as u64;
            let proof =
                prove_inclusion::<jobledger::tree::ProofError>(index, head.size, |node| Ok(nodes[&node])).unwrap();
            let receipt =
                Receipt { extra: Some(leaf.clone().into_bytes()), index, proof, checkpoint: checkpoint.clone() };
            files.push((format!("{folder}proofs/{index}.tlog-proof"), receipt.to_string().into_bytes()));
        }
    }
    Bundle { folder: "evidence-a".into(), files }
}

fn verdict(events: &[Made]) -> i32 {
    let key = stranger(ORIGIN);
    signed(&key, events).verdict(Some(&key.verifier().to_string()))
}

fn created() -> Made {
    made("job.created", json!({"kind": "task", "spec": {"job_type": "full_sync"}}))
}

/// The redaction of a remark.
fn redacted(position: u64) -> Made {
    redacting(position, json!({"text": "[redacted]"}))
}

fn redacting(position: u64, residue: Value) -> Made {
    made("job.redacted", json!({"position": position, "reason": "asked for", "residue": residue}))
}

fn note() -> Made {
    made("job.noted", json!({"text": "a name"}))
}

fn failed() -> Made {
    made("job.failed", json!({"message": "x"}))
}

#[test]
fn a_sound_log_of_another_program_is_verified() {
    assert_eq!(verdict(&[created()]), 0);
    assert_eq!(verdict(&[created(), note(), failed(), note()]), 0);
}

#[test]
fn a_redaction_explains_the_missing_data_that_it_names_and_no_other() {
    assert_eq!(verdict(&[created(), note().without_data(), failed(), redacted(2)]), 0);
    let all = [
        redacting(1, json!({"kind": "task", "spec": {"job_type": "full_sync"}})),
        redacted(2),
        redacting(3, json!({"message": "[redacted]"})),
    ];
    let missing = [created().without_data(), note().without_data(), failed().without_data()];
    assert_eq!(verdict(&missing.into_iter().chain(all).collect::<Vec<_>>()), 0);
    assert_eq!(verdict(&[created(), note().without_data(), failed(), redacted(1)]), 6);
    assert_eq!(verdict(&[created(), note().without_data(), failed().without_data(), redacted(2)]), 6);
    assert_eq!(verdict(&[created(), note().without_data(), failed()]), 6);
    assert_eq!(verdict(&[created(), note().without_data(), failed(), redacted(2).without_data()]), 6);
    let elsewhere = redacted(2).with(|leaf| leaf.subject = Some("b".into()));
    assert_eq!(verdict(&[created(), note().without_data(), failed(), elsewhere]), 3);
}

#[test]
fn a_signed_history_that_is_impossible_for_a_job_is_refused() {
    for (what, events) in [
        ("no beginning", vec![note(), failed()]),
        ("two beginnings", vec![created(), created()]),
        ("something after the end", vec![created(), failed(), made("job.started", json!({}))]),
        ("two ends", vec![created(), failed(), made("job.cancelled", json!({}))]),
        ("a link to nowhere", vec![created(), note(), failed().with(|leaf| leaf.prev = Some("1".into()))]),
        ("a link where there is none", vec![created().with(|leaf| leaf.prev = Some("0".into()))]),
        ("no link", vec![created(), note().with(|leaf| leaf.prev = None)]),
        ("another job", vec![created(), note().with(|leaf| leaf.subject = Some("b".into()))]),
        ("another kind", vec![created(), note().with(|leaf| leaf.jobkind = Some("rule".into()))]),
        ("another place", vec![created(), note().with(|leaf| leaf.position = "7".into())]),
        (
            "a time that falls",
            vec![created(), note().with(|leaf| leaf.recordedtime = "2025-01-01T00:00:00.000000Z".into())],
        ),
        ("a redaction before the end", vec![created(), note().without_data(), redacted(2), failed()]),
        ("no organisation", vec![created(), note().with(|leaf| leaf.orgid = None)]),
    ] {
        let key = stranger(ORIGIN);
        let mut bundle = signed(&key, &events);
        if what == "another place" {
            // Its proof lies where its position says.
            let proof = bundle.text("proofs/2.tlog-proof").into_bytes();
            bundle.files.push(("proofs/7.tlog-proof".into(), proof));
        }
        let code = bundle.verdict(Some(&key.verifier().to_string()));
        assert_eq!(code, 3, "{what}");
    }
}
