//! An audit accepts missing data only if a recorded redaction names the event, and if the ledger allows that redaction.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::cli::{Done, cli};
use crate::support::exports::{append_to, exported, forged};
use crate::support::redactions::{NAME, lives, redacted};

/// The export of a log whose task job ended with event 7, and whose events 15 and 16 redact events 1 and 8.
fn export(dir: &Path) -> String {
    let folder = dir.join("ledger");
    append_to(&folder, &json!(lives()), &[]);
    append_to(&folder, &json!([redacted("t", 1), redacted("t", 8)]), &[]);
    exported(&folder, &[])
}

fn verify(dir: &Path, export: &str) -> Done {
    let path = dir.join("export.ndjson");
    fs::write(&path, export).unwrap();
    cli(["verify", "export", "--json"]).arg(&path).run()
}

/// The first fault: at which position, and what is wrong.
fn first_fault(done: &Done) -> (Value, String) {
    let report = &done.json_lines()[0]["report"];
    (report["faults"][0]["position"].clone(), report["faults"][0]["what"].as_str().unwrap().to_owned())
}

#[test]
fn a_redaction_explains_only_missing_data_that_it_may_redact() {
    let dir = tempfile::tempdir().unwrap();
    let export = export(dir.path());
    let report = verify(dir.path(), &export).expect(7).json_lines()[0]["report"].clone();
    assert_eq!((&report["erased"], &report["faults"]), (&json!(2), &json!([])));
    type Change = fn(&mut Value);
    let changes: [(usize, Change, &str); 5] = [
        (15, |data| data["position"] = json!(9), "it redacts the data of event 9"),
        (15, |data| data["position"] = json!(15), "which does not come before it"),
        (
            15,
            |data| data["residue"]["created_by"] = json!("Wilhelmina"),
            "residue of event 1 is not one of a `job.created`",
        ),
        (15, |data| drop(data.as_object_mut().unwrap().remove("residue")), "residue"),
        (16, |data| data["position"] = json!(1), "which an earlier event redacted already"),
    ];
    for (line, change, said) in changes {
        let forged = forged(&export, line, |_, data| change(data));
        let done = verify(dir.path(), &forged);
        let unexplained = said.contains("event 9");
        let (position, what) = first_fault(&done);
        if unexplained {
            // Data that is there needs no explanation, and explains nothing that is not.
            done.expect(6);
            assert_eq!((position, what.contains("its data is missing")), (json!(1), true), "{what}");
        } else {
            done.expect(3);
            assert!(what.contains(said), "{said}: {what}");
        }
    }
    // An event of a job that has not ended is not redacted.
    let open = forged(&export, 7, |leaf, data| {
        leaf.event_type = "job.started".into();
        leaf.dataschema = "/schema/events/job.started.v1.json".into();
        *data = json!({});
    });
    let (position, what) = first_fault(&verify(dir.path(), &open).expect(3));
    assert_eq!((position, what.contains("had not ended")), (json!(15), true), "{what}");
}

#[test]
fn a_redaction_of_another_job_explains_no_missing_data() {
    let dir = tempfile::tempdir().unwrap();
    let export = export(dir.path());
    // The data of another job's event is missing, and the redaction of event 8 names that event.
    let lines: Vec<&str> = export.lines().collect();
    let (leaf, _) = lines[9].split_once(",\"salt\":").unwrap();
    let lost = export.replace(lines[9], &format!("{leaf},\"salt\":null,\"data\":null}}"));
    let forged = forged(&lost, 16, |_, data| data["position"] = json!(9));
    let (position, what) = first_fault(&verify(dir.path(), &forged).expect(3));
    assert_eq!((position, what.contains("belongs to another job or is a redaction")), (json!(16), true), "{what}");
}

#[test]
fn the_audit_reports_redacted_data_that_came_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("ledger");
    append_to(&folder, &json!(lives()), &[]);
    let before = exported(&folder, &[]);
    append_to(&folder, &json!([redacted("t", 8)]), &[]);
    let (redacted, whole) = (exported(&folder, &[]), before.lines().nth(8).unwrap());
    assert!(whole.contains(NAME));
    let brought_back = redacted.replace(redacted.lines().nth(8).unwrap(), whole);
    let done = verify(dir.path(), &brought_back).expect(7);
    let remarks = done.json_lines()[0]["report"]["remarks"].to_string();
    assert!(remarks.contains("event 15 redacts the data of event 8, which is still there"), "{remarks}");
}
