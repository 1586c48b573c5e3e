//! The spec of a rule job: actions, each with a rule whose own text is kept as it came.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::job::{Action, ActionType, ItemId, RawJson, RuleSpec};
use crate::json;
use crate::wire::fields::{Object, Raw, Word};
use crate::wire::plain::Plain;
use crate::wire::shape::Wrong;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule1 {
    pub actions: Vec<Object<Action1>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action1 {
    /// Absent only on the way in; the ledger gives one before anything is stored.
    pub id: Option<Word<ItemId>>,
    #[serde(rename = "type")]
    pub action: Word<ActionType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    pub rule: Raw,
}

impl Rule1 {
    /// Gives an id to each action that has none.
    pub fn name_actions(&mut self, mint: impl Fn(usize) -> ItemId) {
        for (n, Object(action)) in self.actions.iter_mut().enumerate() {
            action.id.get_or_insert_with(|| Word(mint(n)));
        }
    }

    /// Whether every action has an id.
    pub fn is_named(&self) -> bool {
        self.actions.iter().all(|Object(action)| action.id.is_some())
    }

    /// How many actions, each id once, and the known keys of each rule (unknown keys are kept as they are).
    pub fn check(&self) -> Result<(), Wrong> {
        let (pointer, found) = ("/spec/actions", self.actions.len());
        if found == 0 || found > RuleSpec::MAX_ACTIONS {
            return Err((pointer.into(), format!("expected 1 to {} actions, found {found}", RuleSpec::MAX_ACTIONS)));
        }
        let mut seen = HashSet::new();
        for (n, Object(action)) in self.actions.iter().enumerate() {
            let id = action.id.as_ref().map_or("", |id| id.0.as_str());
            if !seen.insert(id) {
                return Err((format!("{pointer}/{n}/id"), format!("expected each action id once, found `{id}` again")));
            }
            check_rule(&action.rule.0.0, action.action.0)
                .map_err(|(at, detail)| (format!("{pointer}/{n}/rule{at}"), detail))?;
        }
        Ok(())
    }

    /// Leaves what [`crate::wire::residue`] says.
    pub fn erase(&mut self) {
        self.actions.iter_mut().for_each(|Object(action)| action.rule = Raw(left_of(&action.rule.0)));
    }

    /// Today's spec.
    pub fn into_spec(self) -> RuleSpec {
        let action = |Object(action): Object<Action1>| Action {
            id: action.id.expect("given on the way in, required when read again").0,
            action: action.action.0,
            priority: action.priority,
            rule: action.rule.0,
        };
        RuleSpec { actions: self.actions.into_iter().map(action).collect() }
    }
}

/// The keys of a rule that are known, by seed document 004; only read, the rule's own text is what is kept.
#[derive(Deserialize)]
struct KnownRule {
    #[serde(rename = "type", default)]
    _type: Option<Word<Effect>>,
    #[serde(rename = "permissions", default)]
    _permissions: Option<Vec<Word<Permission>>>,
    #[serde(rename = "version", default)]
    _version: Option<i64>,
    #[serde(rename = "enabled", default)]
    _enabled: Option<bool>,
    #[serde(rename = "matchParams", default)]
    _match_params: Option<bool>,
    #[serde(default)]
    id: Option<Box<RawValue>>,
}

crate::job::words! {
    /// What a rule does.
    Effect, "rule type" {
        /// Allows.
        Grant = "grant",
        /// Forbids.
        Prohibit = "prohibit",
    }
}

crate::job::words! {
    /// What a rule is about.
    Permission, "permission" {
        /// Add to a container.
        Add = "add",
        /// Create.
        Create = "create",
        /// Delete.
        Delete = "delete",
        /// Read.
        Read = "read",
        /// Remove from a container.
        Remove = "remove",
        /// Change who may.
        Secure = "secure",
        /// Change.
        Update = "update",
    }
}

fn check_rule(rule: &str, action: ActionType) -> Result<(), Wrong> {
    if !rule.starts_with('{') {
        return Err((String::new(), "expected an object".into()));
    }
    // Its text is served as it came, unknown members too: so it must say the same to every reader, the one that looks for
    // members named like secrets included.
    let mut reader = serde_json::Deserializer::from_str(rule);
    let mut place = serde_path_to_error::Track::new();
    Plain::default()
        .deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut place))
        .map_err(|error| (json::pointer("", &place.path()), json::message(&error)))?;
    let known: KnownRule = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(rule))
        .map_err(|error| (json::pointer("", error.path()), json::message(error.inner())))?;
    let named = known.id.is_some_and(|id| id.get().len() > 2 && id.get().starts_with('"'));
    if action != ActionType::Create && !named {
        return Err(("/id".into(), format!("expected the id of the rule to {action}, found none")));
    }
    Ok(())
}

/// The members of a rule that are documented, in the order of the document; of the others nothing stays, their names included.
const RULE: [&str; 6] = ["id", "type", "permissions", "version", "enabled", "matchParams"];

/// What is left of a rule that is erased.
fn left_of(rule: &RawJson) -> RawJson {
    let members: HashMap<String, &RawValue> =
        serde_json::from_str(&rule.0).expect("stored after it was read as an object");
    let kept = RULE.iter().filter_map(|name| {
        let value = match (*name, members.get(*name)?.get()) {
            // The only text among them that is no word of a list. What is neither text nor number was never one.
            ("id", id) if id.starts_with('"') => "\"[redacted]\"",
            ("id", id) if id.starts_with(['{', '[']) => return None,
            (_, value) => value,
        };
        Some(format!("\"{name}\":{value}"))
    });
    RawJson(Arc::from(format!("{{{}}}", kept.collect::<Vec<_>>().join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_members_of_the_wrong_type_nothing_is_left_that_somebody_wrote() {
        let rule_of = |json: &str| left_of(&RawJson(Arc::from(json))).0.to_string();
        assert_eq!(rule_of(r#"{"id":{"ann":"x"},"i\u0064":"y"}"#), r#"{"id":"[redacted]"}"#, "a name may be escaped");
        assert_eq!(rule_of(r#"{"id":12345678901234567890123}"#), r#"{"id":12345678901234567890123}"#);
        assert_eq!(rule_of(r#"{"id":["ann"]}"#), "{}");
    }
}
