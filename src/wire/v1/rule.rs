//! The spec of a rule job: actions, each with a rule that is stored as the producer wrote it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::job::{Action, ActionType, ItemId, RawJson, RuleSpec};
use crate::json;
use crate::wire::fields::{CompactJson, Object, Word};
use crate::wire::reject::Reject;
use crate::wire::shape::REDACTED_TEXT;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule1 {
    pub actions: Vec<Object<Action1>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action1 {
    /// A producer may leave the id out. The ledger adds one before it stores the action.
    pub id: Option<Word<ItemId>>,
    #[serde(rename = "type")]
    pub action: Word<ActionType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    pub rule: CompactJson,
}

impl Rule1 {
    /// Gives each action without an id the one that `action_id` has for its index.
    pub fn add_ids(&mut self, action_id: &dyn Fn(usize) -> ItemId) {
        for (n, Object(action)) in self.actions.iter_mut().enumerate() {
            action.id.get_or_insert_with(|| Word(action_id(n)));
        }
    }

    /// Whether every action has an id.
    pub fn has_ids(&self) -> bool {
        self.actions.iter().all(|Object(action)| action.id.is_some())
    }

    /// Checks the number of actions, that each id stands once, and the documented members of each rule.
    pub fn check(&self) -> Result<(), Reject> {
        let (pointer, found) = ("/data/spec/actions", self.actions.len());
        if found == 0 || found > RuleSpec::MAX_ACTIONS {
            let detail = format!("expected 1 to {} actions, found {found}", RuleSpec::MAX_ACTIONS);
            return Err(Reject::invalid(pointer, detail));
        }
        let mut seen = HashSet::new();
        for (n, Object(action)) in self.actions.iter().enumerate() {
            let id = action.id.as_ref().map_or("", |id| id.0.as_str());
            if !seen.insert(id) {
                let detail = format!("expected each action id once, found `{id}` again");
                return Err(Reject::invalid(format!("{pointer}/{n}/id"), detail));
            }
            check_rule(&format!("{pointer}/{n}/rule"), &action.rule.0.0, action.action.0)?;
        }
        Ok(())
    }

    /// Replaces each rule by its residue.
    pub fn redact(&mut self) {
        self.actions.iter_mut().for_each(|Object(action)| action.rule = CompactJson(residue_of_rule(&action.rule.0)));
    }

    /// The spec as the fold takes it today.
    pub fn into_spec(self) -> RuleSpec {
        let action = |Object(action): Object<Action1>| Action {
            id: action.id.expect("`add_ids` gave an id to a producer's action, and `read_stored` requires one").0,
            action: action.action.0,
            priority: action.priority,
            rule: action.rule.0,
        };
        RuleSpec { actions: self.actions.into_iter().map(action).collect() }
    }
}

/// The members of a rule that the documented API `/authorization/rules/jobs` names. The ledger reads them only to check their types,
/// and stores the rule as the producer wrote it.
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
    /// What a rule does with its permissions.
    Effect, "rule type" {
        /// Allows them.
        Grant = "grant",
        /// Forbids them.
        Prohibit = "prohibit",
    }
}

crate::job::words! {
    /// A permission of a rule, as the documented API names it.
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
        /// Change the permissions.
        Secure = "secure",
        /// Change.
        Update = "update",
    }
}

fn check_rule(pointer: &str, rule: &str, action: ActionType) -> Result<(), Reject> {
    if !rule.starts_with('{') {
        return Err(Reject::invalid(pointer.to_owned(), "expected an object"));
    }
    // Answers serve the rule as the producer wrote it. Every reader must take it for the same value, also the search
    // for members that are named like secrets.
    json::check_unambiguous(pointer, rule)?;
    let known: KnownRule = json::read(pointer, rule)?;
    let named = known.id.is_some_and(|id| id.get().len() > 2 && id.get().starts_with('"'));
    if action != ActionType::Create && !named {
        let detail = format!("expected the id of the rule to {action}, found none");
        return Err(Reject::invalid(format!("{pointer}/id"), detail));
    }
    Ok(())
}

/// The members that a rule's residue keeps: the documented ones, in the document's order.
const DOCUMENTED: [&str; 6] = ["id", "type", "permissions", "version", "enabled", "matchParams"];

/// The residue of a rule. It has no other members, because their names are a producer's text.
fn residue_of_rule(rule: &RawJson) -> RawJson {
    let members: HashMap<String, &RawValue> = serde_json::from_str(&rule.0).expect("`check_rule` accepts objects only");
    let kept = DOCUMENTED.iter().filter_map(|name| {
        let value = match (*name, members.get(*name)?.get()) {
            // Of these members only the id is free text. An object or a list is no id, so the residue leaves it out.
            ("id", id) if id.starts_with('"') => return Some(format!("\"id\":\"{REDACTED_TEXT}\"")),
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
    fn a_rule_with_members_of_the_wrong_type_keeps_no_free_text() {
        let rule_of = |json: &str| residue_of_rule(&RawJson(Arc::from(json))).0.to_string();
        assert_eq!(rule_of(r#"{"id":{"ann":"x"},"i\u0064":"y"}"#), r#"{"id":"[redacted]"}"#, "a name may be escaped");
        assert_eq!(rule_of(r#"{"id":12345678901234567890123}"#), r#"{"id":12345678901234567890123}"#);
        assert_eq!(rule_of(r#"{"id":["ann"]}"#), "{}");
    }
}
