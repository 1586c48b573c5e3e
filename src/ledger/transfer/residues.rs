//! What the erasures in an export say is left of the events that they name. An erased event comes before its erasure, so
//! whoever reads an export from its beginning looks ahead, once it finds that something was erased.

use std::collections::HashMap;
use std::io::BufRead;

use crate::job::{Event, EventType, JobKey, Position};
use crate::wire::{self, Entry, Leaf, LineError, Lines, StoredRedaction, residue};

/// What is left, by the erased event.
#[derive(Debug, Default)]
pub struct Residues(HashMap<Position, Left>);

#[derive(Debug)]
struct Left {
    /// The erasure.
    by: Position,
    /// Its job.
    job: JobKey,
    data: Vec<u8>,
}

impl Residues {
    /// Reads the erasures among `lines`. A line that is none is left to whoever reads them all.
    pub fn read(lines: impl BufRead) -> Result<Residues, LineError> {
        let (mut found, mut lines) = (Residues::default(), Lines::new(lines));
        while let Some(line) = lines.next_line()? {
            // Most lines are none and need not be read as JSON.
            if let Ok(line) = line.text()
                && line.contains(EventType::Redacted.as_str())
                && let Some((position, left)) = erasure(line)
            {
                found.0.insert(position, left);
            }
        }
        Ok(found)
    }

    /// What stands for the data of the erased event at `position`: the residue that a later erasure of the same job has, if
    /// there is nothing in it but what an erasure leaves.
    pub fn of(&self, position: Position, leaf: &Leaf<'_>) -> Option<&[u8]> {
        let left = self.0.get(&position)?;
        let ours = leaf.org().ok()? == Some(left.job.org) && leaf.subject.as_deref() == Some(left.job.id.as_str());
        let fits = residue(&leaf.event_type, leaf.version().ok()?, &left.data).is_ok_and(|again| again == left.data);
        (ours && fits && left.by > position).then_some(&left.data)
    }
}

fn erasure(line: &str) -> Option<(Position, Left)> {
    let line = Entry::parse(line).ok()?;
    let leaf = Leaf::parse(&line.leaf).ok()?;
    let (_, data) = line.content?;
    if !leaf.is(EventType::Redacted) {
        return None;
    }
    let fact = wire::fact(leaf.position().ok()?, &line.leaf, Some(&data)).ok()??;
    let Event::Redacted(redacted) = fact.event else { return None };
    let data = StoredRedaction::read(leaf.version().ok()?, &data).ok()?.residue;
    Some((redacted.position, Left { by: fact.position, job: fact.key, data }))
}
