//! The answers of every read about some jobs. Tests compare the answers of two moments.

use jobledger::access::Role;
use jobledger::job::OrgId;

use super::{Client, TestServer};

/// Every single-job read of all four APIs, `{}` for the job.
pub const SINGLE_READS: [&str; 7] = [
    "/ledger/jobs/{}",
    "/ledger/jobs/{}/output",
    "/dbroles/jobs/{}",
    "/api/v1/jobs/{}",
    "/api/v1/jobs/{}/progress",
    "/authorization/rules/jobs/{}",
    "/authorization/rules/jobs/{}/state",
];

/// Every list, with filters that make the views use their indexes.
const LISTS: [&str; 9] = [
    "/ledger/jobs?first=1000",
    "/ledger/jobs?status=running",
    "/ledger/jobs?kind=rule",
    "/ledger/jobs?job_type=full_sync",
    "/ledger/jobs?kind=generic&job_type=certificates.renew",
    "/ledger/jobs?created_by=admin",
    "/ledger/jobs?label=n:1",
    "/api/v1/jobs?first=1000",
    "/api/v1/jobs/running",
];

/// One read: its path, status and exact body.
pub type Read = (String, u16, String);

/// Reads `path`.
pub fn read(client: &Client, path: String) -> Read {
    let answer = client.get(&path);
    (path, answer.status, answer.text())
}

/// The answers of every single-job read about each of `jobs`, with `query` added to each path.
pub fn single_reads(client: &Client, jobs: &[&str], query: &str) -> Vec<Read> {
    let paths = jobs.iter().flat_map(|job| SINGLE_READS.map(|path| path.replace("{}", job)));
    paths.map(|path| read(client, format!("{path}{query}"))).collect()
}

/// The answers of every single-job read and of every list.
pub fn all_reads(client: &Client, jobs: &[&str]) -> Vec<Read> {
    let lists = LISTS.iter().map(|path| read(client, (*path).to_owned()));
    single_reads(client, jobs, "").into_iter().chain(lists).collect()
}

/// Status and body of each read, without the path. A read at a moment and a later read as of that moment differ in the path only.
pub fn bodies(reads: &[Read]) -> Vec<(u16, &str)> {
    reads.iter().map(|(_, status, body)| (*status, body.as_str())).collect()
}

/// An administrator of another organisation.
pub fn admin_of(server: &TestServer, org: &str) -> Client {
    let org: OrgId = org.parse().unwrap();
    Client::new(&server.url, Some(&server.token("admin", Role::Admin, org)))
}
