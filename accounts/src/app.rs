//! The only place where the modules meet.

use mainstay::{
    Application, Assembly, CommandFuture, Failure, Resources,
    clap::{Arg, ArgMatches, Command},
    config::Loader,
    core::{Authenticator, BoxFault, Caller, CallerFuture, Code, FaultSet, Pii, Secret},
    read_secret,
    security::{SecurityEvent, SecurityRecord, record},
    store::{Migrations, StoreError, migrations},
    tokens::TokenHash,
};

use crate::{
    config::Settings,
    credential::Found,
    flags::{self, Flags},
    keys::{self, Keys},
    sessions::{self, Sessions, Timeouts},
    users::{self, Administrator, Email, Users},
};

/// The service.
#[derive(Debug)]
pub struct Accounts;

impl Application for Accounts {
    const NAME: &'static str = "accounts";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    type Settings = Settings;

    fn settings(loader: &mut Loader) -> Settings {
        Settings::load(loader)
    }

    fn migrations() -> Migrations {
        migrations!(
            "../migrations/0001_users.sql",
            "../migrations/0002_sessions.sql",
            "../migrations/0003_log_in_failures.sql",
            "../migrations/0004_session_use.sql",
            "../migrations/0005_keys.sql",
            "../migrations/0006_idempotency.sql",
            "../migrations/0007_flags.sql",
        )
    }

    fn assemble(resources: &Resources, settings: &Settings) -> Assembly {
        let Resources { database, caches, clock, .. } = resources;
        let users = users(resources);
        let timeouts =
            Timeouts { idle: settings.sessions.idle_timeout, lifetime: settings.sessions.lifetime };
        let kept = sessions::cached(sessions::sql(database.clone()), caches);
        let sessions = Sessions::new(kept, users.clone(), clock.clone(), timeouts);
        let kept = keys::cached(keys::sql(database.clone()), caches);
        let keys = Keys::new(kept, users.clone(), clock.clone());
        let kept = flags::cached(flags::sql(database.clone()), caches);
        let flags = Flags::new(kept, clock.clone());
        Assembly::new()
            .authenticate_with(Tokens { sessions: sessions.clone(), keys: keys.clone() })
            .mount(users::routes(users, settings.users.password_length_min))
            .mount(sessions::routes(sessions))
            .mount(keys::routes(keys))
            .mount(flags::routes(flags))
    }

    fn evidence() -> &'static str {
        include_str!("../tested.tsv")
    }

    fn commands() -> Vec<Command> {
        let email = || Arg::new("email").long("email").required(true).help("Where to reach them");
        let name =
            Arg::new("name").long("name").default_value("Administrator").help("What to call them");
        let create = Command::new("create")
            .about("Create an administrator, or make one of an existing account")
            .long_about(
                "Create an administrator, or make one of an existing account.\n\nAsks for the \
                 password at a terminal; otherwise reads it from the first line of standard input.",
            )
            .args([email(), name]);
        let unlock = Command::new("unlock")
            .about("Let the owner of an account log in again after too many wrong passwords")
            .arg(email());
        vec![
            Command::new("admin")
                .about("Manage administrators, and help people who cannot log in")
                .subcommand_required(true)
                .subcommands([create, unlock]),
        ]
    }

    fn run_command(
        _: &str,
        matches: &ArgMatches,
        resources: Resources,
        settings: Settings,
    ) -> CommandFuture {
        // There is only `admin`, and clap refuses to leave out what to do.
        let (name, arguments) = matches
            .subcommand()
            .map(|(name, arguments)| (name.to_owned(), arguments.clone()))
            .unwrap_or_default();
        Box::pin(async move {
            let users = users(&resources);
            match name.as_str() {
                "unlock" => unlock(&arguments, &users).await,
                _ => create_admin(&arguments, &users, &settings).await,
            }
        })
    }
}

/// Who a token stands for: somebody with a session, or a machine with a key.
#[derive(Debug)]
struct Tokens {
    sessions: Sessions,
    keys: Keys,
}

impl Tokens {
    async fn find_caller(&self, credential: &Secret<String>) -> Result<Option<Caller>, StoreError> {
        // A mistyped or cut token is found out without asking the store.
        let Some(token) = TokenHash::of(credential) else { return Ok(None) };
        match self.sessions.authenticate(token).await? {
            Found::Caller(caller) => return Ok(Some(caller)),
            Found::Over => return Ok(None),
            Found::Nothing => {}
        }
        match self.keys.authenticate(token).await? {
            Found::Caller(caller) => Ok(Some(caller)),
            Found::Over => Ok(None),
            Found::Nothing => {
                // Well formed and nobody's: it was somebody's, or somebody tries.
                record(SecurityRecord::new(SecurityEvent::TokenReused));
                Ok(None)
            }
        }
    }
}

impl Authenticator for Tokens {
    fn authenticate<'a>(&'a self, credential: &'a Secret<String>) -> CallerFuture<'a> {
        Box::pin(async move {
            self.find_caller(credential).await.map_err(|error| Box::new(error) as BoxFault)
        })
    }

    fn codes(&self) -> Vec<Code> {
        let mut codes = Vec::new();
        StoreError::declare(&mut codes);
        codes
    }

    fn is_scoped(&self) -> bool {
        true
    }
}

fn users(resources: &Resources) -> Users {
    let kept = users::cached(users::sql(resources.database.clone()), &resources.caches);
    Users::new(kept, resources.passwords.clone(), resources.clock.clone())
}

fn text(arguments: &ArgMatches, name: &str) -> Pii<String> {
    Pii::new(arguments.get_one::<String>(name).cloned().unwrap_or_default())
}

async fn create_admin(
    arguments: &ArgMatches,
    users: &Users,
    settings: &Settings,
) -> Result<(), Failure> {
    let password = read_secret("Password: ")
        .map_err(|error| Failure::unexpected("no password could be read", &error))?;
    let [email, name] = ["email", "name"].map(|name| text(arguments, name));
    let length = settings.users.password_length_min;
    let admin = users::admin(&email, &name, &password, length).map_err(|invalid| {
        let fix = "correct what is named above";
        Failure::new("no administrator was created", invalid.to_string(), fix)
    })?;
    let outcome = users
        .create_admin(admin)
        .await
        .map_err(|error| Failure::unexpected("no administrator was created", &error))?;
    tell(&match outcome {
        Administrator::Created(id) => format!("created administrator {}", id.0),
        Administrator::Promoted(id) => {
            format!("made {} an administrator; the password is new and their sessions ended", id.0)
        }
    });
    Ok(())
}

async fn unlock(arguments: &ArgMatches, users: &Users) -> Result<(), Failure> {
    let unlocked = users
        .unlock(&Email(text(arguments, "email")))
        .await
        .map_err(|error| Failure::unexpected("the account was not unlocked", &error))?;
    if !unlocked {
        let why = "no account has this e-mail address";
        return Err(Failure::new("nothing was unlocked", why, "check the address"));
    }
    tell("the next password is looked at again");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a command is its output")]
fn tell(outcome: &str) {
    println!("{outcome}");
}
