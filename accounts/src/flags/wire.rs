//! Flags on the wire. The schema of a type here is what is enforced, and what is published.

use std::collections::BTreeSet;

use mainstay::{
    core::{Subject, Timestamp},
    web::Page,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::{
    self, Definition, FlagKey, Listed, NewFlag, Reason, Rollout, Shown, Version, View,
};

/// 1 to 64 characters, which stand for themselves in a path.
const KEY_PATTERN: &str = "^[a-z](?:[a-z0-9._-]{0,62}[a-z0-9])?$";

/// The same in words.
const KEY_MESSAGE: &str = "must begin with a letter, have at most 64 of a-z, 0-9 and inside . _ -";

/// The key of a flag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[schemars(inline, extend("pattern" = KEY_PATTERN, "x-pattern-message" = KEY_MESSAGE))]
pub(super) struct Key(String);

impl From<Key> for FlagKey {
    fn from(key: Key) -> Self {
        Self(key.0)
    }
}

/// Keys as the rules see them.
pub(super) fn keys(keys: BTreeSet<Key>) -> BTreeSet<FlagKey> {
    keys.into_iter().map(Into::into).collect()
}

/// A flag to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateFlag {
    /// What code asks for it by. It stays as it is.
    // The place of `POST /flags/evaluations`, where no flag could be shown.
    #[schemars(extend("not" = { "const": "evaluations" }))]
    key: Key,
    /// What it is for. Everybody who is signed in may read it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    description: String,
    /// False turns it off for everybody.
    #[serde(default)]
    enabled: bool,
    /// How many have it, in hundredths of a percent.
    #[serde(default)]
    #[schemars(range(max = 10_000))]
    rollout_basis_points: u32,
    /// Ids of users who have it in any case.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    allow: BTreeSet<Uuid>,
    /// Keys of flags that have to be on for whoever is to have this one.
    #[serde(default)]
    #[schemars(length(max = 10))]
    prerequisites: BTreeSet<Key>,
}

impl From<CreateFlag> for NewFlag {
    fn from(body: CreateFlag) -> Self {
        let CreateFlag { key, description, enabled, rollout_basis_points, allow, prerequisites } =
            body;
        let definition =
            ReplaceFlag { description, enabled, rollout_basis_points, allow, prerequisites };
        Self { key: key.into(), definition: definition.into() }
    }
}

/// All of what a flag is to be. What would be left out could be meant to stay, so nothing may be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplaceFlag {
    /// What it is for. Everybody who is signed in may read it.
    #[schemars(length(max = 500))]
    description: String,
    /// False turns it off for everybody.
    enabled: bool,
    /// How many have it, in hundredths of a percent.
    #[schemars(range(max = 10_000))]
    rollout_basis_points: u32,
    /// Ids of users who have it in any case.
    #[schemars(length(max = 1000))]
    allow: BTreeSet<Uuid>,
    /// Keys of flags that have to be on for whoever is to have this one.
    #[schemars(length(max = 10))]
    prerequisites: BTreeSet<Key>,
}

impl From<ReplaceFlag> for Definition {
    fn from(body: ReplaceFlag) -> Self {
        Self {
            description: body.description,
            enabled: body.enabled,
            rollout: Rollout(body.rollout_basis_points),
            allow: body.allow.into_iter().map(Subject).collect(),
            prerequisites: keys(body.prerequisites),
        }
    }
}

/// The path of one flag.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByKey {
    /// The flag's key.
    key: Key,
}

impl From<ByKey> for FlagKey {
    fn from(path: ByKey) -> Self {
        path.key.into()
    }
}

/// Which flags to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFlags {
    /// How many at most.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: u32,
    /// The `next_cursor` of the page before; left out for the first page.
    pub(super) cursor: Option<Key>,
}

/// Taste: a screen.
const fn default_limit() -> u32 {
    20
}

/// Which changes to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListChanges {
    /// How many at most.
    // One that replaces a whole allow-list by another has 80 kB.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 20))]
    pub(super) limit: u32,
    /// The `next_cursor` of the page before; left out for the first page.
    #[schemars(
        regex(pattern = CURSOR_PATTERN),
        extend("x-pattern-message" = "must be the next_cursor of an earlier page")
    )]
    cursor: Option<String>,
}

/// Every version that fits into 18 digits: no cursor that passes is too large a number.
const CURSOR_PATTERN: &str = "^[1-9][0-9]{0,17}$";

impl ListChanges {
    /// The version that the changes come before.
    pub(super) fn before(&self) -> Version {
        let cursor = self.cursor.as_ref().and_then(|cursor| cursor.parse().ok());
        cursor.map_or(Version::END, Version)
    }
}

/// For whom to evaluate a flag.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluateFlag {
    /// A user's id; the caller's own if it is left out. Another one is for administrators.
    subject: Option<Uuid>,
}

impl From<EvaluateFlag> for Option<Subject> {
    fn from(query: EvaluateFlag) -> Self {
        query.subject.map(Subject)
    }
}

/// Which flags to evaluate, and for whom.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluateFlags {
    /// Their keys; all flags if it is left out.
    #[schemars(length(min = 1, max = 100))]
    pub(super) keys: Option<BTreeSet<Key>>,
    /// A user's id; the caller's own if it is left out. Another one is for administrators.
    pub(super) subject: Option<Uuid>,
}

/// A feature flag.
#[derive(Serialize, JsonSchema)]
pub(super) struct Flag {
    /// What code asks for it by.
    key: String,
    /// What it is for.
    description: String,
    /// False turns it off for everybody.
    enabled: bool,
    /// How many have it, in hundredths of a percent.
    rollout_basis_points: u32,
    /// Ids of users who have it in any case; null for who is no administrator.
    allow: Option<Vec<Uuid>>,
    /// Keys of flags that have to be on for whoever is to have this one.
    prerequisites: Vec<String>,
    /// Grows with each change, not always by one.
    version: i64,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    /// When it was last changed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Timestamp,
}

impl From<Shown> for Flag {
    fn from(Shown { flag, view }: Shown) -> Self {
        let definition = &flag.definition;
        Self {
            key: flag.key.0.clone(),
            description: definition.description.clone(),
            enabled: definition.enabled,
            rollout_basis_points: definition.rollout.0,
            allow: match view {
                View::Whole => Some(ids(&definition.allow)),
                View::WithoutPeople => None,
            },
            prerequisites: texts(&definition.prerequisites),
            version: flag.version.0,
            created_at: flag.created_at,
            updated_at: flag.updated_at,
        }
    }
}

fn ids(subjects: &BTreeSet<Subject>) -> Vec<Uuid> {
    subjects.iter().map(|subject| subject.0).collect()
}

fn texts(keys: &BTreeSet<FlagKey>) -> Vec<String> {
    keys.iter().map(|key| key.0.clone()).collect()
}

/// One page of flags.
pub(super) fn page(listed: Listed<Shown, FlagKey>) -> Page<Flag> {
    Page {
        items: listed.items.into_iter().map(Into::into).collect(),
        next_cursor: listed.next.map(|key| key.0),
    }
}

/// What a change of a flag did.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChangeKind {
    // Doc comments here would turn the schema's `enum` into a `oneOf`.
    Created,
    Updated,
    Deleted,
}

impl From<model::ChangeKind> for ChangeKind {
    fn from(kind: model::ChangeKind) -> Self {
        match kind {
            model::ChangeKind::Created => Self::Created,
            model::ChangeKind::Updated => Self::Updated,
            model::ChangeKind::Deleted => Self::Deleted,
        }
    }
}

/// The part of a flag that was changed. What is not there stayed as it was.
#[derive(Serialize, JsonSchema)]
pub(super) struct FlagFields {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// False turns it off for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    /// How many have it, in hundredths of a percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout_basis_points: Option<u32>,
    /// Ids of users who have it in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<Vec<Uuid>>,
    /// Keys of flags that have to be on for whoever is to have this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    prerequisites: Option<Vec<String>>,
}

impl From<model::Fields> for FlagFields {
    fn from(fields: model::Fields) -> Self {
        Self {
            description: fields.description,
            enabled: fields.enabled,
            rollout_basis_points: fields.rollout.map(|rollout| rollout.0),
            allow: fields.allow.as_ref().map(ids),
            prerequisites: fields.prerequisites.as_ref().map(texts),
        }
    }
}

/// A change of a flag.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FlagChange")]
pub(super) struct Change {
    /// The version of the flag that it made; of a removal, the one it would have made.
    version: i64,
    /// What it did.
    kind: ChangeKind,
    /// Id of the user who made it, also after their account was removed.
    actor: Uuid,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: Timestamp,
    /// What was changed, as it was: nothing of a flag that was made.
    before: FlagFields,
    /// What was changed, as it is since: nothing of a flag that was removed.
    after: FlagFields,
}

impl From<model::Change> for Change {
    fn from(change: model::Change) -> Self {
        Self {
            version: change.version.0,
            kind: change.kind.into(),
            actor: change.actor.0,
            at: change.at,
            before: change.before.into(),
            after: change.after.into(),
        }
    }
}

/// One page of changes.
pub(super) fn changes(listed: Listed<model::Change, Version>) -> Page<Change> {
    Page {
        items: listed.items.into_iter().map(Into::into).collect(),
        next_cursor: listed.next.map(|version| version.0.to_string()),
    }
}

/// Why a flag is on or off: `unknown` (there is none), `disabled` (for everybody), `prerequisite`
/// (one that has to be on is off), `allowed` (the user is in the allow-list), `rollout` (so many
/// have it, and the user is one of them or is not).
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EvaluationReason {
    Unknown,
    Disabled,
    Prerequisite,
    Allowed,
    Rollout,
}

/// What a flag is for a user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FlagEvaluation")]
pub(super) struct Evaluation {
    /// Which flag.
    key: String,
    /// Whether it is on.
    on: bool,
    /// Why.
    reason: EvaluationReason,
    /// Key of the prerequisite that is off; null with every other reason.
    prerequisite: Option<String>,
}

impl From<model::Evaluation> for Evaluation {
    fn from(evaluation: model::Evaluation) -> Self {
        let on = evaluation.reason.is_on();
        let (reason, prerequisite) = match evaluation.reason {
            Reason::Unknown => (EvaluationReason::Unknown, None),
            Reason::Disabled => (EvaluationReason::Disabled, None),
            Reason::Prerequisite(key) => (EvaluationReason::Prerequisite, Some(key.0)),
            Reason::Allowed => (EvaluationReason::Allowed, None),
            Reason::Rollout(_) => (EvaluationReason::Rollout, None),
        };
        Self { key: evaluation.key.0, on, reason, prerequisite }
    }
}

/// What flags are for a user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FlagEvaluations")]
pub(super) struct Evaluations {
    /// One for each key, in their order.
    items: Vec<Evaluation>,
}

impl From<Vec<model::Evaluation>> for Evaluations {
    fn from(evaluations: Vec<model::Evaluation>) -> Self {
        Self { items: evaluations.into_iter().map(Into::into).collect() }
    }
}
