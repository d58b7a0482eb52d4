//! The only place where the modules meet.

use mainstay::{
    Application, Assembly, CommandFuture, Failure, Resources,
    clap::{Arg, ArgMatches, Command},
    config::Loader,
    read_secret,
    store::{Migrations, migrations},
};

use crate::{sessions, users};

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
        let users = users::sql(resources);
        let sessions = sessions::sql(resources, users.clone());
        Assembly::new()
            .authenticate_with(sessions.clone())
            .mount(users::routes(users))
            .mount(sessions::routes(sessions))
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
        let users = users::sql(&resources);
        // `admin create` is the only one, and clap refuses to leave it out.
        let create = matches.subcommand().map(|(_, create)| create.clone()).unwrap_or_default();
        Box::pin(async move {
            let text = |name| create.get_one::<String>(name).cloned().unwrap_or_default();
            let password = read_secret("Password: ")
                .map_err(|error| Failure::unexpected("no password could be read", &error))?;
            users
                .create_admin(text("email"), text("name"), password)
                .await
                .map_err(|error| Failure::unexpected("no administrator was created", &error))
        })
    }
}
