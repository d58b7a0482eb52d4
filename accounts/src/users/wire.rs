//! People on the wire. The schema of a type here is what is enforced, and what is published.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mainstay::{
    core::{Pii, Secret, Timestamp, transparent_schema},
    web::{
        Page,
        contract::{BodyProblem, Contract},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    error::InvalidAdmin,
    model::{
        self, Change, Changes, Email, Listed, Listing, NewAdmin, NewUser, PasswordChange, Position,
        UserId, UserName,
    },
};
use crate::config::PasswordLength;

/// No control characters, and something that is neither one of them nor a space.
///
/// The characters stand for themselves, because engines write escapes for them differently.
pub(crate) const NAME_PATTERN: &str = concat!(
    "^[^\u{1}-\u{1f}\u{7f}-\u{9f}]*",
    "[^\u{1}-\u{20}\u{7f}-\u{a0}]",
    "[^\u{1}-\u{1f}\u{7f}-\u{9f}]*$",
);

/// Characters of the shortest password where it is all that is asked for: NIST SP 800-63B-4 section
/// 3.1.1.2.
pub(super) const SOLE_FACTOR: u64 = 15;

/// The same where something in front of the service asks for another factor.
pub(super) const BESIDE_ANOTHER: u64 = 8;

/// The same in words.
pub(crate) const NAME_MESSAGE: &str = "must have a visible character and no control characters";

/// What a person registers with. `MIN` is the length of the shortest password; see
/// [`PasswordLength`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CreateUser", description = "What a person registers with.")]
pub(super) struct CreateUser<const MIN: u64> {
    /// Nobody else may have it, in whatever case.
    #[schemars(email)]
    email: Pii<String>,
    /// What to call them.
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = NAME_PATTERN),
        extend("x-pattern-message" = NAME_MESSAGE)
    )]
    name: Pii<String>,
    /// In years.
    #[schemars(range(min = 1))]
    age: Option<u32>,
    /// An account without one cannot log in by password.
    // NIST SP 800-63B-4 section 3.1.1.2: not less than 64 allowed; nothing about which characters.
    #[schemars(length(min = MIN, max = 128))]
    password: Option<Secret<String>>,
}

impl<const MIN: u64> From<CreateUser<MIN>> for NewUser {
    fn from(body: CreateUser<MIN>) -> Self {
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
    length: PasswordLength,
) -> Result<NewAdmin, InvalidAdmin> {
    match length {
        PasswordLength::SoleFactor => admin_of::<SOLE_FACTOR>(email, name, password),
        PasswordLength::BesideAnother => admin_of::<BESIDE_ANOTHER>(email, name, password),
    }
}

fn admin_of<const MIN: u64>(
    email: &Pii<String>,
    name: &Pii<String>,
    password: &Secret<String>,
) -> Result<NewAdmin, InvalidAdmin> {
    let body = json!({
        "email": email.reveal(),
        "name": name.reveal(),
        "password": password.reveal(),
    });
    let contract = Contract::of::<CreateUser<MIN>>().expect("an endpoint is mounted with it");
    match contract.read_body::<CreateUser<MIN>>(body.to_string().as_bytes()) {
        Ok(CreateUser { email, name, .. }) => {
            Ok(NewAdmin { email: Email(email), name: UserName(name), password: password.clone() })
        }
        Err(BodyProblem::Invalid(problems)) => Err(InvalidAdmin(problems)),
        Err(BodyProblem::Malformed(_)) => unreachable!("serde_json writes well-formed JSON"),
    }
}

/// A new password for the caller's account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetPassword", description = "A new password for the caller's account.")]
pub(super) struct SetPassword<const MIN: u64> {
    /// The present one, as proof.
    // Only the upper bound of registration, as in a log-in.
    #[schemars(length(min = 1, max = 128))]
    current: Secret<String>,
    /// The one from now on.
    #[schemars(length(min = MIN, max = 128))]
    new: Secret<String>,
}

impl<const MIN: u64> From<SetPassword<MIN>> for PasswordChange {
    fn from(body: SetPassword<MIN>) -> Self {
        Self { current: body.current, new: body.new }
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
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = NAME_PATTERN),
        extend("x-pattern-message" = NAME_MESSAGE)
    )]
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

// In a schema a change looks like its value.
transparent_schema!(Change<T>);

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
    #[schemars(
        with = "Option<String>",
        regex(pattern = CURSOR_PATTERN),
        extend("x-pattern-message" = "must be the next_cursor of an earlier page")
    )]
    cursor: Option<Cursor>,
    /// Only the one with this address, in whatever case.
    #[schemars(email)]
    email: Option<Pii<String>>,
}

/// Taste: a screen.
const fn default_limit() -> u32 {
    20
}

impl From<ListUsers> for Listing {
    fn from(query: ListUsers) -> Self {
        let after = query.cursor.map_or(Position::START, |cursor| cursor.0);
        Self { after, limit: query.limit, email: query.email.map(Email) }
    }
}

/// Exactly the texts of cursors of this version, so that a bad one is found with the other problems
/// of a query. Ends the years at 4253, which leaves the first byte of the time zero.
const CURSOR_PATTERN: &str = "^AQ[A-D][A-Za-z0-9_-]{30}[AQgw]$";

/// The layout of a cursor: this byte, microseconds since 1970 in eight, the id in sixteen. Another
/// order of the list needs another number, so that an old cursor is refused and not misread.
const CURSOR_VERSION: u8 = 1;

/// Where the page before ended. Opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Cursor(Position);

impl Cursor {
    fn write(self) -> String {
        let mut bytes = [0; 25];
        bytes[0] = CURSOR_VERSION;
        bytes[1..9].copy_from_slice(&self.0.created_at.as_microsecond().to_be_bytes());
        bytes[9..].copy_from_slice(self.0.id.0.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes: [u8; 25] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let [CURSOR_VERSION, rest @ ..] = bytes else { return None };
        let (created_at, id) = rest.split_at(8);
        let created_at = i64::from_be_bytes(created_at.try_into().ok()?);
        Some(Self(Position {
            created_at: Timestamp::from_microsecond(created_at).ok()?,
            id: UserId(Uuid::from_slice(id).ok()?),
        }))
    }
}

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("not a cursor")
    }
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
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
}

impl From<model::User> for User {
    fn from(user: model::User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.0.into_revealed(),
            name: user.name.0.into_revealed(),
            age: user.age,
            role: user.role.into(),
            created_at: user.created_at,
        }
    }
}

/// One page of users.
pub(super) fn page(listed: Listed) -> Page<User> {
    Page {
        items: listed.users.into_iter().map(Into::into).collect(),
        next_cursor: listed.next.map(|position| Cursor(position).write()),
    }
}

#[cfg(test)]
mod tests {
    use mainstay::core::FieldProblem;
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
            problems::<CreateUser<SOLE_FACTOR>>(&body)
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
        let mut found = problems::<CreateUser<SOLE_FACTOR>>(body);
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
            let password = Secret::new(password.to_owned());
            admin(&email, &name, &password, PasswordLength::SoleFactor)
        };
        assert!(made("root@example.com", "a long password").is_ok());
        let told = made("root", "short").expect_err("both are wrong").to_string();
        assert!(told.contains("email must be"), "{told}");
        assert!(told.contains("password must have at least 15 characters"), "{told}");
    }

    #[test]
    fn a_password_may_be_shorter_beside_another_factor() {
        let of = |length: usize| {
            let password = "é".repeat(length);
            json!({ "email": "ada@example.com", "name": "Ada", "password": password }).to_string()
        };
        for (length, alone, beside) in [(7, 1, 1), (8, 1, 0), (14, 1, 0), (15, 0, 0), (129, 1, 1)] {
            assert_eq!(problems::<CreateUser<SOLE_FACTOR>>(&of(length)).len(), alone, "{length}");
            assert_eq!(problems::<CreateUser<BESIDE_ANOTHER>>(&of(length)).len(), beside);
        }
    }

    #[test]
    fn a_query_has_defaults_and_its_problems_are_found_at_once() {
        let contract = Contract::of::<ListUsers>().expect("a contract");
        let first: ListUsers = contract.read_query("").expect("the first page");
        let first = Listing::from(first);
        assert_eq!((first.after, first.limit, first.email), (Position::START, 20, None));
        for query in ["limit=0", "limit=101", "email=ada", "page=2"] {
            assert!(contract.read_query::<ListUsers>(query).is_err(), "{query}");
        }
        let problems = contract.read_query::<ListUsers>("limit=0&cursor=mine").err();
        let problems = problems.expect("both are wrong");
        let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, ["/cursor", "/limit"]);
    }

    fn read_cursor(cursor: &str) -> Option<Position> {
        let contract = Contract::of::<ListUsers>().expect("a contract");
        let query = contract.read_query::<ListUsers>(&format!("cursor={cursor}")).ok()?;
        Some(Listing::from(query).after)
    }

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        // The last one is the latest that the pattern has room for.
        for microsecond in [0, 1_700_000_000_123_456, (1 << 56) - 1] {
            let created_at = Timestamp::from_microsecond(microsecond).expect("a time");
            for id in [Uuid::nil(), UserId::new(created_at).0, Uuid::max()] {
                let position = Position { created_at, id: UserId(id) };
                assert_eq!(read_cursor(&Cursor(position).write()), Some(position));
            }
        }
    }

    #[test]
    fn every_text_of_the_published_pattern_is_a_cursor() {
        for third in 'A'..='D' {
            for filler in ["A", "_", "z"] {
                for last in ["A", "Q", "g", "w"] {
                    let text = format!("AQ{third}{}{last}", filler.repeat(30));
                    assert!(read_cursor(&text).is_some(), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_cursor_of_this_version_is_refused() {
        let created_at = Timestamp::from_microsecond(1_700_000_000_123_456).expect("a time");
        let good = Cursor(Position { created_at, id: UserId::new(created_at) }).write();
        let other_version = format!("B{}", &good[1..]);
        let impossible_time = URL_SAFE_NO_PAD.encode([[1].as_slice(), &[0x7f; 24]].concat());
        let surplus_bits = format!("{}B", &good[..33]);
        let longer = format!("{good}AAAA");
        let padded = format!("{good}==");
        for bad in
            ["", "x", &other_version, &impossible_time, &surplus_bits, &longer, &padded, &good[1..]]
        {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }
}
