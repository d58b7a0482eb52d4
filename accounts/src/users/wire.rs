//! People on the wire. The schema of a type here is what is enforced, and what is published.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mainstay::{
    core::{Pii, Secret, Timestamp},
    web::{
        Page,
        contract::{BodyProblem, Contract},
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    error::{InvalidAdmin, ListError},
    model::{
        self, Change, Changes, Email, Listed, Listing, NewAdmin, NewUser, Position, UserId,
        UserName,
    },
};

/// No control characters, and something that is neither one of them nor a space.
///
/// The characters stand for themselves, because engines write escapes for them differently.
const NAME_PATTERN: &str = concat!(
    "^[^\u{1}-\u{1f}\u{7f}-\u{9f}]*",
    "[^\u{1}-\u{20}\u{7f}-\u{a0}]",
    "[^\u{1}-\u{1f}\u{7f}-\u{9f}]*$",
);

/// What a person registers with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateUser {
    /// Nobody else may have it, in whatever case.
    #[schemars(email)]
    email: Pii<String>,
    /// What to call them.
    #[schemars(length(min = 1, max = 100), regex(pattern = NAME_PATTERN))]
    name: Pii<String>,
    /// In years.
    #[schemars(range(min = 1))]
    age: Option<u32>,
    /// An account without one cannot log in by password.
    // NIST SP 800-63B-4 section 3.1.1.2: at least 15 characters where it is the only factor, and
    // not less than 64 allowed; nothing about which characters.
    #[schemars(length(min = 15, max = 128))]
    password: Option<Secret<String>>,
}

impl From<CreateUser> for NewUser {
    fn from(body: CreateUser) -> Self {
        Self {
            email: Email(body.email),
            name: UserName(body.name),
            age: body.age,
            password: body.password,
        }
    }
}

/// An administrator as the command line names one, held to the contract of `POST /users`.
pub(crate) fn admin(
    email: &Pii<String>,
    name: &Pii<String>,
    password: &Secret<String>,
) -> Result<NewAdmin, InvalidAdmin> {
    let body = json!({
        "email": email.reveal(),
        "name": name.reveal(),
        "password": password.reveal(),
    });
    let contract = Contract::of::<CreateUser>().expect("an endpoint is mounted with it");
    match contract.read_body::<CreateUser>(body.to_string().as_bytes()) {
        Ok(CreateUser { email, name, .. }) => {
            Ok(NewAdmin { email: Email(email), name: UserName(name), password: password.clone() })
        }
        Err(BodyProblem::Invalid(problems)) => Err(InvalidAdmin(problems)),
        Err(BodyProblem::Malformed(_)) => unreachable!("serde_json writes well-formed JSON"),
    }
}

/// What to change of a user. What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateUser {
    /// Nobody else may have it, in whatever case.
    #[serde(default)]
    #[schemars(email)]
    email: Change<Pii<String>>,
    /// What to call them.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100), regex(pattern = NAME_PATTERN))]
    name: Change<Pii<String>>,
    /// In years; null forgets it.
    #[serde(default)]
    #[schemars(range(min = 1))]
    age: Change<Option<u32>>,
    /// What they may do. For administrators to change.
    #[serde(default)]
    role: Change<Role>,
}

impl From<UpdateUser> for Changes {
    fn from(body: UpdateUser) -> Self {
        Self {
            email: body.email.map(Email),
            name: body.name.map(UserName),
            age: body.age,
            role: body.role.map(Into::into),
        }
    }
}

/// A member that is there is a change, even to null.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Set)
    }
}

/// In a schema a change looks like its value.
impl<T: JsonSchema> JsonSchema for Change<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The path of one user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ById {
    /// The user's id.
    id: Uuid,
}

impl From<ById> for UserId {
    fn from(path: ById) -> Self {
        Self(path.id)
    }
}

/// Which users to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListUsers {
    /// How many at most.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
    /// The `next_cursor` of the page before; left out for the first page.
    cursor: Option<String>,
    /// Only the one with this address, in whatever case.
    #[schemars(email)]
    email: Option<Pii<String>>,
}

/// Taste: a screen.
const fn default_limit() -> u32 {
    20
}

impl TryFrom<ListUsers> for Listing {
    type Error = ListError;

    fn try_from(query: ListUsers) -> Result<Self, ListError> {
        let after = match &query.cursor {
            Some(cursor) => read_cursor(cursor).ok_or_else(ListError::not_a_cursor)?,
            None => Position::START,
        };
        Ok(Self { after, limit: query.limit, email: query.email.map(Email) })
    }
}

/// The layout of a cursor: this byte, microseconds since 1970 in eight, the id in sixteen. Another
/// order of the list needs another number, so that an old cursor is refused and not misread.
const CURSOR_VERSION: u8 = 1;

fn write_cursor(position: Position) -> String {
    let mut bytes = [0; 25];
    bytes[0] = CURSOR_VERSION;
    bytes[1..9].copy_from_slice(&position.created_at.as_microsecond().to_be_bytes());
    bytes[9..].copy_from_slice(position.id.0.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_cursor(cursor: &str) -> Option<Position> {
    let bytes: [u8; 25] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let [CURSOR_VERSION, rest @ ..] = bytes else { return None };
    let (created_at, id) = rest.split_at(8);
    let created_at = i64::from_be_bytes(created_at.try_into().ok()?);
    Some(Position {
        created_at: Timestamp::from_microsecond(created_at).ok()?,
        id: UserId(Uuid::from_slice(id).ok()?),
    })
}

/// What a user may do: a `user` manages the own account, an `admin` every account.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    // A doc comment here would turn the schema's `enum` into a `oneOf`, and with it a problem that
    // names the roles into one that does not.
    User,
    Admin,
}

impl From<Role> for model::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<model::Role> for Role {
    fn from(role: model::Role) -> Self {
        match role {
            model::Role::User => Self::User,
            model::Role::Admin => Self::Admin,
        }
    }
}

/// A registered person.
#[derive(Serialize, JsonSchema)]
pub(super) struct User {
    /// Who.
    id: Uuid,
    /// As it was typed.
    email: String,
    /// What to call them.
    name: String,
    /// In years; null if they did not tell.
    age: Option<u32>,
    /// What they may do.
    role: Role,
    /// When they registered.
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
}

impl From<model::User> for User {
    fn from(user: model::User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.0.into_revealed(),
            name: user.name.0.into_revealed(),
            age: user.age,
            role: user.role.into(),
            created_at: user.created_at.to_string(),
        }
    }
}

/// One page of users.
pub(super) fn page(listed: Listed) -> Page<User> {
    Page {
        items: listed.users.into_iter().map(Into::into).collect(),
        next_cursor: listed.next.map(write_cursor),
    }
}

#[cfg(test)]
mod tests {
    use mainstay::core::{FieldProblem, Location};
    use serde::de::DeserializeOwned;

    use super::*;

    fn read<T: DeserializeOwned + JsonSchema>(body: &str) -> Result<T, BodyProblem> {
        Contract::of::<T>().expect("a contract").read_body(body.as_bytes())
    }

    /// `pointer code` of each problem.
    fn problems<T: DeserializeOwned + JsonSchema>(body: &str) -> Vec<String> {
        let said = |problem: &FieldProblem| format!("{} {}", problem.pointer, problem.code);
        match read::<T>(body) {
            Ok(_) => Vec::new(),
            Err(BodyProblem::Invalid(problems)) => problems.iter().map(said).collect(),
            Err(BodyProblem::Malformed(malformed)) => panic!("{malformed}"),
        }
    }

    #[test]
    fn a_name_says_something_and_controls_nothing() {
        let refused = |name: &str| {
            let body = json!({ "email": "ada@example.com", "name": name }).to_string();
            problems::<CreateUser>(&body)
        };
        for good in ["A", "Ada Lovelace", "Łukasz O'Neil-Żak", "李", "é".repeat(100).as_str()] {
            assert_eq!(refused(good), [""; 0], "{good}");
        }
        for bad in [" ", "\u{a0} \u{a0}", "Ada\nLovelace", "\u{1b}[2J", "A\u{9b}", "\0A"] {
            assert!(!refused(bad).is_empty(), "{bad:?}");
        }
        assert_eq!(refused(&"é".repeat(101)), ["/name too_long"]);
    }

    #[test]
    fn every_problem_of_a_registration_is_found() {
        let body = r#"{"email":"ada","name":"","age":0,"password":"short","role":"admin"}"#;
        let mut found = problems::<CreateUser>(body);
        found.sort();
        let expected = [
            " unknown_field",
            "/age too_small",
            "/email not_an_email",
            "/name too_short",
            "/password too_short",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_patch_tells_null_from_nothing() {
        let nothing: UpdateUser = read("{}").expect("an empty patch");
        assert_eq!(nothing.age, Change::Keep);
        let null: UpdateUser = read(r#"{"age":null}"#).expect("a patch");
        assert_eq!(null.age, Change::Set(None));
        assert_eq!(problems::<UpdateUser>(r#"{"name":null}"#), ["/name wrong_type"]);
        assert_eq!(problems::<UpdateUser>(r#"{"role":"root"}"#), ["/role not_allowed"]);
    }

    #[test]
    fn an_administrator_is_held_to_the_same_contract() {
        let made = |email: &str, password: &str| {
            let [email, name] = [email, "Root"].map(|text| Pii::new(text.to_owned()));
            admin(&email, &name, &Secret::new(password.to_owned()))
        };
        assert!(made("root@example.com", "a long password").is_ok());
        let told = made("root", "short").expect_err("both are wrong").to_string();
        assert!(told.contains("email must be"), "{told}");
        assert!(told.contains("password must have at least 15 characters"), "{told}");
    }

    #[test]
    fn a_query_has_defaults_and_a_bad_cursor_is_a_problem_of_its_field() {
        let contract = Contract::of::<ListUsers>().expect("a contract");
        let listing = |query: &str| {
            let query: ListUsers = contract.read_query(query).expect("within the contract");
            Listing::try_from(query)
        };
        let first = listing("").expect("the first page");
        assert_eq!((first.after, first.limit, first.email), (Position::START, 20, None));
        let Err(ListError::Cursor(problems)) = listing("limit=100&cursor=mine") else {
            panic!("the cursor was taken")
        };
        assert_eq!((problems[0].pointer.as_str(), problems[0].code), ("/cursor", "not_a_cursor"));
        assert_eq!(problems[0].location, Location::Query);
        for query in ["limit=0", "limit=101", "email=ada", "page=2"] {
            assert!(contract.read_query::<ListUsers>(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        let created_at = Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time");
        let position = Position { created_at, id: UserId::new(created_at) };
        assert_eq!(read_cursor(&write_cursor(position)), Some(position));
    }

    #[test]
    fn what_is_no_cursor_of_this_version_is_refused() {
        let good = write_cursor(Position::START);
        let other_version = format!("B{}", &good[1..]);
        let impossible_time = URL_SAFE_NO_PAD.encode([[1].as_slice(), &[0x7f; 24]].concat());
        let longer = format!("{good}AAAA");
        let padded = format!("{good}==");
        for bad in ["", "x", &other_version, &impossible_time, &longer, &padded, &good[1..]] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }
}
