//! Imports 1,000 people from a CSV file into an SQLite file, and reports the import to a jobledger.
//!
//! `README.md` shows how to start a ledger and make a token for a worker. Then:
//!
//! ```sh
//! export JOBLEDGER_URL=http://127.0.0.1:8347 JOBLEDGER_TOKEN=jl_...
//! cargo run --example import people.csv people.db
//! ```
//!
//! The program makes people.csv. One record has no e-mail address, so one item of the job fails.

use std::error::Error;
use std::fs;
use std::io::{Write, stdout};

use jobledger::client::{Item, Job, Ledger, NewJob, Progress};
use rusqlite::{Connection, Transaction};
use serde_json::json;

/// Writes the CSV file.
fn generate(path: &str) -> std::io::Result<()> {
    let mut text = "id,name,email\n".to_owned();
    for number in 1..=1000 {
        let email = if number == 617 { String::new() } else { format!("person-{number}@example.org") };
        text += &format!("{number},Person {number},{email}\n");
    }
    fs::write(path, text)
}

/// Adds one record to the SQLite file.
fn add(people: &Transaction<'_>, row: &[&str]) -> Result<(), Box<dyn Error>> {
    let [id, name, email] = row else { return Err("expected three fields".into()) };
    if !email.contains('@') {
        return Err("no e-mail address".into());
    }
    people.execute("INSERT INTO person VALUES (?1, ?2, ?3)", [id, name, email])?;
    Ok(())
}

/// Imports `rows` into `target`. An error, such as a cancellation, takes the records back.
fn import(job: &Job, source: &str, rows: &[&str], target: &str) -> Result<(), Box<dyn Error>> {
    let total = rows.len() as u64;
    job.output(&format!("{source} has {total} records"))?;
    let mut database = Connection::open(target)?;
    let people = database.transaction()?;
    people.execute_batch("DROP TABLE IF EXISTS person")?;
    people.execute_batch("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, email TEXT)")?;
    let mut created = 0;
    for (count, row) in (1..).zip(rows) {
        let row: Vec<&str> = row.split(',').collect();
        match add(&people, &row) {
            Ok(()) => created += 1,
            Err(error) => job.item(Item::failed(format!("person-{}", row[0]), error.to_string()))?,
        }
        job.progress(Progress::records(count, total).created(created).step(*row.get(1).unwrap_or(&"")))?;
    }
    people.commit()?;
    job.output(&format!("{created} of {total} records are in {target}"))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target] = &arguments[..] else { return Err("expected a CSV file and an SQLite file".into()) };
    generate(source)?;
    let text = fs::read_to_string(source)?;
    let rows: Vec<&str> = text.lines().skip(1).collect();
    let parameters = json!({ "source": source, "target": target });
    let spec = json!({ "job_type": "import", "total_records": rows.len(), "parameters": parameters });
    let ledger = Ledger::from_env()?;
    let job = ledger.create(NewJob::new("generic", spec))?;
    writeln!(stdout(), "{}/jobs/{}", ledger.url(), job.id())?;
    match import(&job, source, &rows, target) {
        Ok(()) => job.complete(None)?,
        Err(error) => {
            job.fail(&error.to_string())?;
            return Err(error);
        }
    }
    Ok(())
}
