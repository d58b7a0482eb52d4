//! The only place where the modules meet.

use mainstay::{
    Application, Assembly, CommandFuture, Failure, Resources,
    clap::{Arg, ArgMatches, Command},
    config::Loader,
    core::Pii,
    read_secret,
    store::{Migrations, migrations},
};

use crate::{
    sessions::{self, Sessions},
    users::{self, Administrator, Users},
};

/// The service.
#[derive(Debug)]
pub struct Accounts;

impl Application for Accounts {
    const NAME: &'static str = "accounts";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    type Settings = ();

    fn settings(_: &mut Loader) {}

    fn migrations() -> Migrations {
        migrations!("../migrations/0001_users.sql", "../migrations/0002_sessions.sql")
    }

    fn assemble(resources: &Resources, (): &()) -> Assembly {
        let users = users(resources);
        let stored = sessions::sql(resources.database.clone());
        let sessions = Sessions::new(stored, users.clone(), resources.clock.clone());
        Assembly::new()
            .authenticate_with(sessions.clone())
            .mount(users::routes(users))
            .mount(sessions::routes(sessions))
    }
    fn evidence() -> &'static str {
        include_str!("../tested.tsv")
    }

    fn commands() -> Vec<Command> {
        let email = Arg::new("email").long("email").required(true).help("Where to reach them");
        let name =
            Arg::new("name").long("name").default_value("Administrator").help("What to call them");
        let create = Command::new("create")
            .about("Create an administrator, or make one of an existing account")
            .long_about(
                "Create an administrator, or make one of an existing account.\n\nAsks for the \
                 password at a terminal; otherwise reads it from the first line of standard input.",
            )
            .args([email, name]);
        vec![
            Command::new("admin")
                .about("Manage administrators")
                .subcommand_required(true)
                .subcommand(create),
        ]
    }

    fn run_command(_: &str, matches: &ArgMatches, resources: Resources) -> CommandFuture {
        // `admin create` is the only one, and clap refuses to leave it out.
        let create = matches.subcommand().map(|(_, create)| create.clone()).unwrap_or_default();
        Box::pin(async move { create_admin(&create, &users(&resources)).await })
    }
}

fn users(resources: &Resources) -> Users {
    let stored = users::sql(resources.database.clone());
    Users::new(stored, resources.passwords.clone(), resources.clock.clone())
}

async fn create_admin(arguments: &ArgMatches, users: &Users) -> Result<(), Failure> {
    let text = |name| Pii::new(arguments.get_one::<String>(name).cloned().unwrap_or_default());
    let password = read_secret("Password: ")
        .map_err(|error| Failure::unexpected("no password could be read", &error))?;
    let admin = users::admin(&text("email"), &text("name"), &password).map_err(|invalid| {
        let fix = "correct what is named above";
        Failure::new("no administrator was created", invalid.to_string(), fix)
    })?;
    let outcome = users
        .create_admin(admin)
        .await
        .map_err(|error| Failure::unexpected("no administrator was created", &error))?;
    tell(outcome);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a command is its output")]
fn tell(outcome: Administrator) {
    match outcome {
        Administrator::Created(id) => println!("created administrator {}", id.0),
        Administrator::Promoted(id) => {
            println!(
                "made {} an administrator; the password is new and their sessions ended",
                id.0
            );
        }
    }
}
