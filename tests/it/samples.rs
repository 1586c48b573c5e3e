//! Data of every event type: as a producer may send it, and the exact bytes that the ledger stores.
//!
//! The stored bytes of a released version are never edited here: the logs that hold them exist.

/// One event's data.
pub struct Sample {
    /// The CloudEvents type.
    pub event_type: &'static str,
    /// As a producer sends it: any order, white space, `null` for absent.
    pub sent: &'static str,
    /// As `version` stores it.
    pub stored: &'static str,
    /// The version that the ledger stores.
    pub version: u32,
}

const fn sample(event_type: &'static str, sent: &'static str, stored: &'static str) -> Sample {
    Sample { event_type, sent, stored, version: 1 }
}

const fn of_version_2(event_type: &'static str, sent: &'static str, stored: &'static str) -> Sample {
    Sample { event_type, sent, stored, version: 2 }
}

/// Every member of every type at least once, and the smallest valid data of each type.
pub const JOB_EVENTS: &[Sample] = &[
    of_version_2(
        "job.created",
        r#"{"retry":{"backoff_sec":30,"max":3},"not_before":"2025-03-01T01:00:00+01:00","kind":"task","spec":{"job_type":"full_sync"}}"#,
        r#"{"kind":"task","spec":{"job_type":"full_sync"},"not_before":"2025-03-01T00:00:00Z","retry":{"max":3,"backoff_sec":30}}"#,
    ),
    of_version_2(
        "job.created",
        r#"{"retry":{"max":100,"backoff_sec":86400},"kind":"task","spec":{"job_type":"full_sync"}}"#,
        r#"{"kind":"task","spec":{"job_type":"full_sync"},"retry":{"max":100,"backoff_sec":86400}}"#,
    ),
    of_version_2(
        "job.started",
        r#"{"lease_sec":86400,"worker":"w-1","lease_until":"2025-03-01T00:00:00.5Z","message":"go"}"#,
        r#"{"message":"go","worker":"w-1","lease_sec":86400,"lease_until":"2025-03-01T00:00:00.500Z"}"#,
    ),
    of_version_2("job.started", r#"{"worker":"w-1"}"#, r#"{"worker":"w-1"}"#),
    sample(
        "job.created",
        r#"{"spec":{"db_engine":"postgres","db_arn":"arn:db"},"kind":"dbrole"}"#,
        r#"{"kind":"dbrole","spec":{"db_arn":"arn:db","db_engine":"postgres"}}"#,
    ),
    sample(
        "job.created",
        r#"{"created_by":"ann","labels":{"ticket":"AC-1","retry_of":"x"},"kind":"dbrole","spec":{
            "db_tags":[{"value":"banking","key":"squad"}],"db_name":"customers","db_engine":"postgres",
            "db_arn":"arn:db","account_arn":"arn:account"}}"#,
        r#"{"kind":"dbrole","spec":{"account_arn":"arn:account","db_arn":"arn:db","db_name":"customers","db_engine":"postgres","db_tags":[{"key":"squad","value":"banking"}]},"created_by":"ann","labels":{"retry_of":"x","ticket":"AC-1"}}"#,
    ),
    sample(
        "job.created",
        r#"{"kind":"task","labels":{},"created_by":null,"spec":{"total_records":null,"job_type":"full_sync"}}"#,
        r#"{"kind":"task","spec":{"job_type":"full_sync"}}"#,
    ),
    sample(
        "job.created",
        r#"{"kind":"task","labels":null,"spec":{"total_records":9007199254740992,"job_type":"role_generation"}}"#,
        r#"{"kind":"task","spec":{"job_type":"role_generation","total_records":9007199254740992}}"#,
    ),
    sample(
        "job.created",
        r#"{"kind":"rule","spec":{"actions":[
            {"rule":{ "enabled" : true, "type":"grant", "permissions":["read","secure"], "version":10, "unknown":{"b":1,"a":[9007199254740993, 1.0, 1e5, "\u00e9"]} },
             "priority":-1,"type":"create","id":"a1"},
            {"id":null,"type":"delete","rule":{"id":"r1"}}]}}"#,
        r#"{"kind":"rule","spec":{"actions":[{"id":"a1","type":"create","priority":-1,"rule":{"enabled":true,"type":"grant","permissions":["read","secure"],"version":10,"unknown":{"b":1,"a":[9007199254740993,1.0,1e5,"\u00e9"]}}},{"id":"minted-1","type":"delete","rule":{"id":"r1"}}]}}"#,
    ),
    sample(
        "job.created",
        r#"{"kind":"generic","spec":{"job_type":"x"}}"#,
        r#"{"kind":"generic","spec":{"job_type":"x"}}"#,
    ),
    sample(
        "job.created",
        r#"{"kind":"generic","spec":{"total_records":3,"parameters":{ "hosts" : ["a", "b"], "n": 1.0, "deep": {"e": 1e5, "\u00e9": null} },"job_type":"Certificates.renew_v2-x"}}"#,
        r#"{"kind":"generic","spec":{"job_type":"Certificates.renew_v2-x","parameters":{"hosts":["a","b"],"n":1.0,"deep":{"e":1e5,"\u00e9":null}},"total_records":3}}"#,
    ),
    sample("job.started", "{}", "{}"),
    sample(
        "job.started",
        r#"{ "total_records": 10, "message": "off\n" }"#,
        r#"{"message":"off\n","total_records":10}"#,
    ),
    sample("job.progress", r#"{"progress":0}"#, r#"{"progress":0}"#),
    sample(
        "job.progress",
        r#"{"message":"m","records_deleted":5,"records_updated":4,"records_created":3,"total_records":2,"records_processed":1,"current_step":"s","progress":100}"#,
        r#"{"progress":100,"current_step":"s","records_processed":1,"total_records":2,"records_created":3,"records_updated":4,"records_deleted":5,"message":"m"}"#,
    ),
    sample("job.item_result", r#"{"status":"running","item":"hoop_ro"}"#, r#"{"item":"hoop_ro","status":"running"}"#),
    sample(
        "job.item_result",
        r#"{"item":"é","status":"failed","message":"no","detail":{"credentials_info":{"secrets_manager_provider":"database","secret_id":null}}}"#,
        r#"{"item":"é","status":"failed","message":"no","detail":{"credentials_info":{"secrets_manager_provider":"database"}}}"#,
    ),
    sample(
        "job.item_result",
        r#"{"detail":{ "rows" : 5, "hosts":["a"] },"status":"completed","item":"a"}"#,
        r#"{"item":"a","status":"completed","detail":{"rows":5,"hosts":["a"]}}"#,
    ),
    sample(
        "job.item_result",
        r#"{"item":"a","status":"completed","detail":{"credentials_info":{"secret_keys":["HOST","PORT"],"secret_id":"dbsecrets/data/x","secrets_manager_provider":"vault"}}}"#,
        r#"{"item":"a","status":"completed","detail":{"credentials_info":{"secrets_manager_provider":"vault","secret_id":"dbsecrets/data/x","secret_keys":["HOST","PORT"]}}}"#,
    ),
    sample("job.hook_output", "{}", "{}"),
    sample(
        "job.hook_output",
        r#"{"execution_time_sec":5,"exit_code":-1,"stream":"stderr","output":"\u001b[0m"}"#,
        r#"{"output":"\u001b[0m","stream":"stderr","exit_code":-1,"execution_time_sec":5}"#,
    ),
    sample("job.completed", r#"{"message":null}"#, "{}"),
    sample(
        "job.completed",
        r#"{"records_deleted":5,"records_updated":4,"records_created":3,"total_records":2,"records_processed":1,"message":"m"}"#,
        r#"{"message":"m","records_processed":1,"total_records":2,"records_created":3,"records_updated":4,"records_deleted":5}"#,
    ),
    sample("job.failed", r#"{"message":""}"#, r#"{"message":""}"#),
    sample("job.cancelled", "{}", "{}"),
    sample("job.cancelled", r#"{"reason":"\u0061\/b"}"#, r#"{"reason":"a/b"}"#),
    sample("job.noted", r#"{"text":"a remark"}"#, r#"{"text":"a remark"}"#),
    // The ledger adds the residue.
    sample("job.redacted", r#"{"reason":"asked for","position":7}"#, r#"{"position":7,"reason":"asked for"}"#),
];

/// Data of the ledger's own events, exactly as stored; no producer sends these.
pub const LEDGER_EVENTS: &[(&str, &str)] = &[
    (
        "ledger.created",
        r#"{"origin":"example.org/ledger-1","leaf_format":1,"verifier_key":"example.org/ledger-1+00000000+AAAA"}"#,
    ),
    (
        "ledger.continued",
        r#"{"origin":"example.org/ledger-2","verifier_key":"example.org/ledger-2+00000000+AAAA","previous":{"origin":"example.org/ledger-1","head":"41","checkpoint":"example.org/ledger-1\n42\nAAAA\n"}}"#,
    ),
    (
        "ledger.continued",
        r#"{"origin":"example.org/ledger-2","verifier_key":"example.org/ledger-2+00000000+AAAA","previous":{"origin":"example.org/ledger-1","head":"0","checkpoint":null}}"#,
    ),
    ("ledger.key_added", r#"{"verifier_key":"example.org/ledger-1+00000000+AAAA"}"#),
];
